/** Adds key packages of the caller's device (RFC 9750, section 5.1); `lastResort` replaces the one before. */
import * as v from "valibot";
import { limits } from "../limits.ts";
import { bytes, hash } from "../primitives.ts";

const keyPackage = v.strictObject({
  /** SHA-256 of `data`. */
  hash,
  data: bytes(1, limits.keyPackage),
});

export const publishKeyPackages = {
  request: v.strictObject({
    keyPackages: v.pipe(v.array(keyPackage), v.maxLength(limits.keyPackagesPerFrame)),
    lastResort: v.optional(keyPackage),
  }),
  /** Single-use ones now stored. */
  answer: v.object({ count: v.number() }),
};
