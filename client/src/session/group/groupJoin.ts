/** Entering a group by a Welcome. */
import { decodeKeyPackage, decodeKeyPackagePrivate, joinGroup } from "@tacit/mls";
import { authentication, type LeafIdentity } from "./authenticate.ts";
import type { CryptoContext } from "../cryptoContext.ts";
import { unsealTree } from "./welcomeTree.ts";
import { identityAt, type Group } from "./group.ts";
import type { OwnKeyPackage } from "./member.ts";
import { unservedIn, type Unserved } from "./unserved.ts";

export interface Joined {
  readonly group: Group;
  /** Who made the Welcome. */
  readonly by: LeafIdentity;
  /** What they say of the relay's roster. */
  readonly unserved: Partial<Unserved>;
  readonly consumed: readonly Uint8Array[];
}

/** @throws MlsError */
export async function join(
  context: CryptoContext,
  welcome: Uint8Array,
  own: OwnKeyPackage,
  sealedTree?: Uint8Array,
): Promise<Joined> {
  const { suite } = context;
  const joined = await joinGroup({
    suite,
    welcome,
    keyPackage: decodeKeyPackage(own.bytes),
    privateKeys: decodeKeyPackagePrivate(own.privateKeys),
    ratchetTree: (extensions) => unsealTree(extensions, sealedTree),
    authentication: authentication(context),
  });
  const { state: group, signer, groupInfoExtensions, consumed } = joined;
  return { group, by: identityAt(group, signer), unserved: unservedIn(groupInfoExtensions), consumed };
}
