/** Replaces the account's backup. Its blobs were uploaded before; those that the new one does not name are deleted. */
import * as v from "valibot";
import { limits } from "../limits.ts";
import { blobReference, bytes } from "../primitives.ts";

export const putBackup = {
  request: v.strictObject({
    /** The version that this one follows; 0 where there is none. */
    expected: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
    /** Sealed by the client. */
    manifest: bytes(1, limits.backupManifest),
    blobs: v.pipe(v.array(blobReference), v.maxLength(limits.backupBlobs)),
  }),
  answer: v.object({ version: v.number() }),
};
