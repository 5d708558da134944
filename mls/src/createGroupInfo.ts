/** Publishing a GroupInfo, for those who join by an external commit: RFC 9420, section 12.4.3. */
import { externalKeyPair } from "./externalInit.ts";
import type { Extension } from "./extension.ts";
import { externalPubExtension, ratchetTreeExtension, signGroupInfo } from "./groupInfo.ts";
import type { GroupState } from "./groupState.ts";
import { encodeMlsMessage } from "./mlsMessage.ts";
import { requireOpen } from "./protectMessage.ts";

export interface GroupInfoOptions {
  /** With the key that an external commit needs. Default true. */
  readonly externalPub?: boolean;
  /** Default false: the tree travels apart. */
  readonly ratchetTree?: boolean;
  readonly extensions?: readonly Extension[];
}

/** An MLSMessage. Good for the current epoch alone. */
export async function createGroupInfo(state: GroupState, options: GroupInfoOptions = {}): Promise<Uint8Array> {
  requireOpen(state);
  const { suite, epoch } = state;
  const extensions: Extension[] = [...(options.extensions ?? [])];
  if (options.ratchetTree === true) extensions.push(ratchetTreeExtension(epoch.tree));
  if (options.externalPub !== false) {
    const keyPair = await externalKeyPair(suite, epoch.secrets.externalSecret);
    keyPair.privateKey.fill(0);
    extensions.push(externalPubExtension(keyPair.publicKey));
  }
  const groupInfo = await signGroupInfo(
    suite,
    {
      groupContext: epoch.groupContext,
      extensions,
      confirmationTag: epoch.confirmationTag,
      signer: epoch.ownLeafIndex,
    },
    epoch.signaturePrivateKey,
  );
  return encodeMlsMessage({ wireFormat: "groupInfo", groupInfo });
}
