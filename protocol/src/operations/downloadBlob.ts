/** Where to GET a blob. The reader checks that its SHA-256 is its name. */
import * as v from "valibot";
import { hash, time } from "../primitives.ts";

export const downloadBlob = {
  request: v.strictObject({
    hash,
    /** One of the caller's backup. */
    backup: v.optional(v.literal(true)),
  }),
  answer: v.object({ url: v.string(), expires: time }),
};
