/**
 * A removed member with its whole old state, who follows the group from outside and sees all that is sent. It is given more than
 * an attacker has: the public state of the new epoch, all PSKs, and the content of each commit.
 */
import { createMessage, MlsError, processMessage, type CreatedCommit, type GroupState } from "@tacit/mls";
import type { Commit } from "../../../mls/src/commit.ts";
import type { HpkeCiphertext } from "../../../mls/src/cipherSuite.ts";
import { receiveExternalInit } from "../../../mls/src/externalInit.ts";
import type { AuthenticatedContent } from "../../../mls/src/framing.ts";
import { encodeGroupContext } from "../../../mls/src/groupContext.ts";
import { decodeMlsMessage } from "../../../mls/src/mlsMessage.ts";
import { deriveNextEpoch } from "../../../mls/src/nextEpoch.ts";
import { openPrivateMessage } from "../../../mls/src/privateMessage.ts";
import { derivePskSecret } from "../../../mls/src/psk.ts";
import { findPsks } from "../../../mls/src/pskStore.ts";
import { encryptionKeyAt } from "../../../mls/src/ratchetTree.ts";
import { nodeWidth } from "../../../mls/src/treeMath.ts";
import { authentication, text } from "../../mls/world.ts";
import type { Dice } from "./dice.ts";
import { lookup } from "./psks.ts";

export interface Ghost {
  readonly name: string;
  readonly state: GroupState;
  /** Key pairs that it holds, by the public key in hexadecimal. */
  readonly keys: ReadonlyMap<string, { readonly publicKey: Uint8Array; readonly privateKey: Uint8Array }>;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.from(a).equals(b);

export function newGhost(name: string, state: GroupState): Ghost {
  const keys = new Map<string, { publicKey: Uint8Array; privateKey: Uint8Array }>();
  for (const [node, privateKey] of state.epoch.pathKeys) {
    const publicKey = encryptionKeyAt(state.epoch.tree, node);
    if (publicKey !== undefined) keys.set(hex(publicKey), { publicKey, privateKey });
  }
  for (const { proposal, ownUpdate } of state.epoch.proposals) {
    if (proposal.type !== "update" || ownUpdate === undefined) continue;
    const publicKey = proposal.leafNode.encryptionKey;
    keys.set(hex(publicKey), { publicKey, privateKey: ownUpdate.encryptionPrivateKey });
  }
  return { name, state, keys };
}

/** A commit that was accepted, with the epochs on both sides of it. */
export interface AcceptedCommit {
  readonly bytes: Uint8Array;
  readonly welcomes: CreatedCommit["welcomes"];
  readonly before: GroupState;
  readonly after: GroupState;
}

function contentOf({ bytes, before }: AcceptedCommit): AuthenticatedContent & { readonly commit: Commit } {
  const message = decodeMlsMessage(bytes);
  const { epoch, ratchets, suite } = before;
  let content: AuthenticatedContent;
  if (message.wireFormat === "publicMessage") {
    content = { wireFormat: "publicMessage", framed: message.publicMessage.framed, auth: message.publicMessage.auth };
  } else if (message.wireFormat === "privateMessage") {
    const { senderDataSecret } = epoch.secrets;
    const protection = { senderDataSecret, secretTree: ratchets.current, config: epoch.config };
    const opened = openPrivateMessage(suite, protection, message.privateMessage, () => undefined);
    content = { wireFormat: "privateMessage", framed: opened.framed, auth: opened.auth };
  } else {
    throw new Error("not a commit");
  }
  if (content.framed.content.contentType !== "commit") throw new Error("not a commit");
  return { ...content, commit: content.framed.content.commit };
}

async function opens(
  { state, keys }: Ghost,
  label: string,
  context: Uint8Array,
  ciphertexts: readonly HpkeCiphertext[],
  tries: number,
  dice: Dice,
): Promise<boolean> {
  const held = [...keys.values()];
  if (held.length === 0 || ciphertexts.length === 0) return false;
  const all = held.length * ciphertexts.length;
  const start = dice.below(all);
  for (let each = 0; each < Math.min(all, tries); each++) {
    const at = (start + each) % all;
    const { privateKey, publicKey } = held[at % held.length] as (typeof held)[number];
    const ciphertext = ciphertexts[Math.floor(at / held.length)] as HpkeCiphertext;
    try {
      await state.suite.decryptWithLabel(privateKey, publicKey, label, context, ciphertext);
      return true;
    } catch (error) {
      if (!(error instanceof MlsError) || error.code !== "hpke_failed") throw error;
    }
  }
  return false;
}

/** Every way we know into the new epoch; the names of those that are open. */
export async function leaksTo(
  ghost: Ghost,
  accepted: AcceptedCommit,
  newlyRemoved: boolean,
  tries: number,
  dice: Dice,
): Promise<string[]> {
  const found: string[] = [];
  const { after, before, bytes } = accepted;
  const { suite } = after;
  const { commit, framed, wireFormat, auth } = contentOf(accepted);
  const { tree, groupContext } = after.epoch;
  // The context as it was when the path was encrypted: before the commit itself was hashed.
  const provisional = {
    ...groupContext,
    confirmedTranscriptHash: before.epoch.groupContext.confirmedTranscriptHash,
  };

  for (let node = 0; node < nodeWidth(tree.leaves.length); node++) {
    const publicKey = encryptionKeyAt(tree, node);
    if (publicKey !== undefined && ghost.keys.has(hex(publicKey))) found.push(`holds the key of node ${node}`);
  }
  const path = (commit.path?.nodes ?? []).flatMap(({ encryptedPathSecrets }) => encryptedPathSecrets);
  if (await opens(ghost, "UpdatePathNode", encodeGroupContext(provisional), path, tries, dice)) {
    found.push("opens a path secret");
  }
  for (const { bytes: welcomeBytes } of accepted.welcomes) {
    const message = decodeMlsMessage(welcomeBytes);
    if (message.wireFormat !== "welcome") throw new Error("not a Welcome");
    const { encryptedGroupInfo, secrets } = message.welcome;
    const ciphertexts = secrets.map(({ encryptedGroupSecrets }) => encryptedGroupSecrets);
    if (await opens(ghost, "Welcome", encryptedGroupInfo, ciphertexts, tries, dice)) found.push("opens a Welcome");
  }

  // Without a path there is no commit secret, and who knows the last init secret knows the next.
  const { secrets } = ghost.state.epoch;
  const initSecrets = [secrets.initSecret];
  for (const item of commit.proposals) {
    if (item.type !== "proposal" || item.proposal.type !== "externalInit") continue;
    const { kemOutput } = item.proposal;
    try {
      initSecrets.push(await receiveExternalInit(suite, secrets.externalSecret, kemOutput));
    } catch (error) {
      if (!(error instanceof MlsError)) throw error;
    }
  }
  const pskIds = commit.proposals.flatMap((item) => {
    const proposal =
      item.type === "proposal"
        ? item.proposal
        : before.epoch.proposals.find(({ ref }) => same(ref, item.reference))?.proposal;
    return proposal?.type === "psk" ? [proposal.id] : [];
  });
  const pskSecret = derivePskSecret(suite, await findPsks(pskIds, before.epoch, lookup(suite)));
  for (const initSecret of initSecrets) {
    const { secrets: derived } = deriveNextEpoch(suite, {
      provisional,
      interimTranscriptHash: before.epoch.interimTranscriptHash,
      initSecret,
      commitSecret: new Uint8Array(suite.hashLength),
      pskSecret,
      commit: { wireFormat, framed, signature: auth.signature },
    });
    if (same(derived.epochAuthenticator, after.epoch.secrets.epochAuthenticator)) found.push("derives the next epoch");
  }

  // As itself, and as itself with the public state of the new epoch.
  const { message } = await createMessage(after, text("not for those who left"));
  const { epoch, ratchets } = ghost.state;
  const pretender: GroupState = {
    suite,
    epoch: {
      ...after.epoch,
      secrets: epoch.secrets,
      pathKeys: epoch.pathKeys,
      signaturePrivateKey: epoch.signaturePrivateKey,
      ownLeafIndex: epoch.ownLeafIndex,
    },
    ratchets,
  };
  for (const state of [ghost.state, pretender]) {
    const read = await processMessage(state, message, { authentication }).catch((error: unknown) => error);
    if (!(read instanceof MlsError)) found.push("reads a message");
  }
  const followed = await processMessage(ghost.state, bytes, { authentication, psks: lookup(suite) }).catch(
    (error: unknown) => error,
  );
  if (!(followed instanceof MlsError)) {
    const { kind, removed, state } = followed as { kind?: string; removed?: boolean; state?: GroupState };
    const old = state?.epoch.groupContext.epoch === epoch.groupContext.epoch;
    if (!(newlyRemoved && kind === "commit" && removed === true && old)) found.push("follows the commit");
  }
  return found;
}
