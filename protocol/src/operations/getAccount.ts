/** The current record of an account. */
import * as v from "valibot";
import { signedAccountRecord } from "../accountRecord.ts";
import { accountId } from "../primitives.ts";

export const getAccount = {
  request: v.strictObject({ account: accountId }),
  answer: v.object({ record: signedAccountRecord }),
};
