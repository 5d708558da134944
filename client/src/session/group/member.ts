/** A device as a member of groups, and the key packages by which others put it into theirs. */
import { encodeKeyPackagePrivate, generateKeyPackage, type KeyPair } from "@tacit/mls";
import type { Signed } from "@tacit/protocol";
import { credentialOf } from "../identity/certificate.ts";
import type { CryptoContext } from "../cryptoContext.ts";
import { groupDataExtension } from "./groupData.ts";

export interface Member {
  readonly certificate: Signed;
  readonly signatureKey: KeyPair;
}

const day = 86_400_000;
/** Clocks of peers may lag behind by this much. */
const leeway = day;
export const keyPackageLifetime = 90 * day;

export interface OwnKeyPackage {
  /** As others get it. */
  readonly bytes: Uint8Array;
  readonly privateKeys: Uint8Array;
}

export async function createKeyPackage(
  { suite }: CryptoContext,
  member: Member,
  options: { readonly now: number; readonly lastResort: boolean },
): Promise<OwnKeyPackage> {
  const made = await generateKeyPackage({
    suite,
    credential: credentialOf(member.certificate),
    signatureKeyPair: member.signatureKey,
    lifetime: { notBefore: seconds(options.now - leeway), notAfter: BigInt(lastSecondOf(options.now)) },
    capabilities: { extensions: [groupDataExtension] },
    lastResort: options.lastResort,
  });
  return { bytes: made.bytes, privateKeys: encodeKeyPackagePrivate(made.privateKeys) };
}

/** When the lifetime of a key package ends that is made at `now`: seconds since 1970. */
export function lastSecondOf(now: number): number {
  return Number(seconds(now + keyPackageLifetime));
}

/** As MLS counts time. */
export function seconds(milliseconds: number): bigint {
  return BigInt(Math.max(0, Math.floor(milliseconds / 1000)));
}
