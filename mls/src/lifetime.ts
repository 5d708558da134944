/** Lifetimes of key packages: RFC 9420, sections 7.2 and 7.3. */
import { local } from "./failure.ts";
import type { LeafNode } from "./leafNode.ts";

/** In seconds since 1970. */
export interface LifetimePolicy {
  readonly now: bigint;
  /** Bounds notAfter - notBefore. */
  readonly maximum?: bigint;
}

/** Clocks differ, so a failure here is this device's alone. @throws MlsError `lifetime_invalid` */
export function checkLifetime(leaf: LeafNode, policy: LifetimePolicy | undefined): void {
  if (policy === undefined || leaf.source !== "keyPackage") return;
  const { notBefore, notAfter } = leaf.lifetime;
  if (policy.now < notBefore || policy.now > notAfter) {
    throw local("lifetime_invalid", "the key package is not valid at this time");
  }
  if (policy.maximum !== undefined && notAfter - notBefore > policy.maximum) {
    throw local("lifetime_invalid", "the key package's lifetime is too long");
  }
}
