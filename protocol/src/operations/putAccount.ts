/** Registers a device: the first record of an account, the next version of it, or one under a rotated account key. */
import * as v from "valibot";
import { signedAccountRecord, signedRecordReceipt } from "../accountRecord.ts";

export const putAccount = {
  request: v.strictObject({ record: signedAccountRecord }),
  answer: v.object({ version: v.number(), receipt: signedRecordReceipt }),
};
