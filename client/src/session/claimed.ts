/** Key packages as the relay gave them out. */
import type { DeviceCertificate } from "@tacit/protocol";
import type { Claimed } from "./conversation.ts";
import { keyPackageIdentity } from "./groupEngine.ts";

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
