/** Deletes items that the device has stored for good. Those already gone are passed over. */
import * as v from "valibot";
import { claimId } from "./claimKeyPackages.ts";

export const acknowledgeInbox = {
  request: v.strictObject({ ids: v.pipe(v.array(claimId), v.minLength(1), v.maxLength(25)) }),
  answer: v.object({}),
};
