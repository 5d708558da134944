/** Entering a group by a Welcome. */
import { decodeKeyPackage, decodeKeyPackagePrivate, joinGroup } from "@tacit/mls";
import { authentication, type LeafIdentity } from "./authenticate.ts";
import type { CryptoContext } from "../cryptoContext.ts";
import { unsealTree } from "./welcomeTree.ts";
import { identityAt, type Group } from "./group.ts";
import type { OwnKeyPackage } from "./member.ts";

/** @throws MlsError */
export async function join(
  context: CryptoContext,
  welcome: Uint8Array,
  own: OwnKeyPackage,
  sealedTree?: Uint8Array,
): Promise<{ readonly group: Group; readonly by: LeafIdentity; readonly consumed: readonly Uint8Array[] }> {
  const { suite } = context;
  const joined = await joinGroup({
    suite,
    welcome,
    keyPackage: decodeKeyPackage(own.bytes),
    privateKeys: decodeKeyPackagePrivate(own.privateKeys),
    ratchetTree: (extensions) => unsealTree(extensions, sealedTree),
    authentication: authentication(context),
  });
  return { group: joined.state, by: identityAt(joined.state, joined.signer), consumed: joined.consumed };
}
