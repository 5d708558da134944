/** Key packages as the relay gave them out. */
import { decodeKeyPackage, MlsError, validateKeyPackage } from "@tacit/mls";
import type { DeviceCertificate } from "@tacit/protocol";
import { authentication, leafIdentity, type LeafIdentity } from "./authenticate.ts";
import type { Claimed } from "../conversation.ts";
import type { CryptoContext } from "../cryptoContext.ts";
import { seconds } from "./member.ts";

/**
 * Is the key package of the device that it was claimed for, and is that device in the account's record?
 * @throws MlsError where it is no key package
 */
export function isOf(claimed: Claimed, devices: readonly DeviceCertificate[]): boolean {
  const listed = devices.find(({ device }) => device === claimed.device);
  if (listed === undefined) return false;
  const identity = keyPackageIdentity(claimed.keyPackage);
  return (
    identity.account === claimed.account &&
    identity.account === listed.account &&
    identity.device === listed.device &&
    identity.accountKey === listed.accountKey
  );
}

/** Whom a key package would add, signature unchecked. @throws MlsError where it is none */
export function keyPackageIdentity(bytes: Uint8Array): LeafIdentity {
  return leafIdentity(decodeKeyPackage(bytes).leafNode.credential);
}

/** Whether it holds by itself: RFC 9420, section 10.1. What depends on a group, the commit finds. @throws MlsError where it is none */
export async function isKeyPackageValid(context: CryptoContext, bytes: Uint8Array): Promise<boolean> {
  const { suite } = context;
  try {
    await validateKeyPackage(decodeKeyPackage(bytes), { suite, authentication: authentication(context) });
    return true;
  } catch (error) {
    if (error instanceof MlsError) return false;
    throw error;
  }
}

/** Whether it may be used at `now`. @throws MlsError */
export function isKeyPackageCurrent(bytes: Uint8Array, now: number): boolean {
  const { leafNode } = decodeKeyPackage(bytes);
  if (leafNode.source !== "keyPackage") return false;
  const { notBefore, notAfter } = leafNode.lifetime;
  return notBefore <= seconds(now) && seconds(now) <= notAfter;
}
