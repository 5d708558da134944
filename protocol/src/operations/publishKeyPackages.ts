/** Adds key packages of the caller's device (RFC 9750, section 5.1); `lastResort` replaces the one before. */
import * as v from "valibot";
import { limits } from "../limits.ts";
import { bytes, hash } from "../primitives.ts";

const keyPackage = v.strictObject({
  /** SHA-256 of `data`. */
  hash,
  data: bytes(1, limits.keyPackage),
  /** The end of its lifetime (RFC 9420, section 7.2), in seconds since 1970: nobody is given it afterwards. */
  notAfter: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
});

export const publishKeyPackages = {
  request: v.strictObject({
    keyPackages: v.pipe(v.array(keyPackage), v.maxLength(limits.keyPackagesPerFrame)),
    lastResort: v.optional(keyPackage),
  }),
  /** Single-use ones now stored. */
  answer: v.object({ count: v.number() }),
};
