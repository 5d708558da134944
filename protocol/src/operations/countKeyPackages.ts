/** How many key packages of the caller's device are left. */
import * as v from "valibot";

export const countKeyPackages = {
  request: v.strictObject({}),
  answer: v.object({ count: v.number(), lastResort: v.boolean() }),
};
