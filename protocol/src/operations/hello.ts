/** Registers this socket for doorbells, and confirms the registration when said again (keep-alive). */
import * as v from "valibot";
import { accountId, deviceId, time } from "../primitives.ts";

export const hello = {
  request: v.strictObject({}),
  answer: v.object({
    account: accountId,
    device: deviceId,
    /** `register`: this device has no certificate under its account yet; it may enter one, be linked, or recover it. */
    scope: v.picklist(["full", "register"]),
    serverTime: time,
    /** The socket is closed then; come back before. */
    leaseUntil: time,
  }),
};
