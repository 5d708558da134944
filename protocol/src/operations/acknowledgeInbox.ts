/** Deletes items that the device has stored for good. Those already gone are passed over. */
import * as v from "valibot";
import { limits } from "../limits.ts";
import { claimId } from "./claimKeyPackages.ts";

export const acknowledgeInbox = {
  request: v.strictObject({ ids: v.pipe(v.array(claimId), v.minLength(1), v.maxLength(limits.acknowledgements)) }),
  answer: v.object({}),
};
