/** The current record of an account, and the relay's receipt for it. */
import * as v from "valibot";
import { signedAccountRecord, signedRecordReceipt } from "../accountRecord.ts";
import { accountId } from "../primitives.ts";

export const getAccount = {
  request: v.strictObject({ account: accountId }),
  answer: v.object({ record: signedAccountRecord, receipt: signedRecordReceipt }),
};
