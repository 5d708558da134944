/** Takes one key package of each device of an account, or of those named. A single-use one is given out at most once, to anybody. */
import * as v from "valibot";
import { accountId, bytes, deviceId, hash } from "../primitives.ts";
import { limits } from "../limits.ts";

/** Names a claim in `welcomes` of a commit. */
export const claimId = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{22,64}$/));

export const claimKeyPackages = {
  request: v.strictObject({
    account: accountId,
    /** Of these devices alone; without it, of all. */
    devices: v.optional(v.pipe(v.array(deviceId), v.minLength(1), v.maxLength(limits.devicesPerAccount))),
    /** Where the page before ended. */
    after: v.optional(deviceId),
  }),
  answer: v.object({
    keyPackages: v.array(
      v.object({ device: deviceId, hash, data: bytes(1, limits.keyPackage), claim: claimId, lastResort: v.boolean() }),
    ),
    /** Devices that have none left. */
    missing: v.array(deviceId),
    /** Set when there are more devices. */
    next: v.optional(deviceId),
  }),
};
