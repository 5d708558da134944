/** The backup of the caller's account. Open to a device without a certificate: what it gets is sealed under the recovery code. */
import * as v from "valibot";
import { blobReference, bytes, time } from "../primitives.ts";
import { limits } from "../limits.ts";

export const getBackup = {
  request: v.strictObject({}),
  answer: v.object({
    /** 0 where there is none; then there is nothing else. */
    version: v.number(),
    at: v.optional(time),
    manifest: v.optional(bytes(1, limits.backupManifest)),
    blobs: v.optional(v.array(blobReference)),
  }),
};
