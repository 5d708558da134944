/** Registers a device: the first record of an account, or the next version of it. */
import * as v from "valibot";
import { signedAccountRecord } from "../accountRecord.ts";

export const putAccount = {
  request: v.strictObject({ record: signedAccountRecord }),
  answer: v.object({ version: v.number() }),
};
