/** Where to GET a blob. The reader checks that its SHA-256 is its name. */
import * as v from "valibot";
import { hash, time } from "../primitives.ts";

export const downloadBlob = {
  request: v.strictObject({ hash }),
  answer: v.object({ url: v.string(), expires: time }),
};
