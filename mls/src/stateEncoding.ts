/** A group's state as stored: one part for what a commit changes, and chunks for what a message changes. */
import type { CipherSuite } from "./cipherSuite.ts";
import { decode, decodeFailed, encode, type Reader, type Writer } from "./codec.ts";
import type { GroupConfig } from "./groupConfig.ts";
import { readGroupContext, writeGroupContext } from "./groupContext.ts";
import type { EpochState, GroupState, PastEpoch, PendingProposal } from "./groupState.ts";
import type { EpochSecrets } from "./keySchedule.ts";
import { readProposal, writeProposal } from "./proposal.ts";
import { chunksOf, decodeSecretTree, encodeSecretTree } from "./ratchetEncoding.ts";
import { leafAt, readRatchetTree, writeRatchetTree, type RatchetTree } from "./ratchetTree.ts";
import { readSender, writeSender } from "./sender.ts";
import type { SecretTree } from "./secretTree.ts";
import { rootHash } from "./treeHash.ts";
import { nodeWidth } from "./treeMath.ts";

const version = 1;

const secretNames = [
  "senderDataSecret",
  "exporterSecret",
  "externalSecret",
  "confirmationKey",
  "membershipKey",
  "resumptionPsk",
  "epochAuthenticator",
  "initSecret",
] as const satisfies readonly (keyof EpochSecrets)[];

function writeConfig(writer: Writer, config: GroupConfig): void {
  writer.uint32(config.skippedKeys);
  writer.uint32(config.forwardLimit);
  writer.uint32(config.pastEpochs);
  writer.uint32(config.resumptionPsks);
}

function readConfig(reader: Reader): GroupConfig {
  return {
    skippedKeys: reader.uint32(),
    forwardLimit: reader.uint32(),
    pastEpochs: reader.uint32(),
    resumptionPsks: reader.uint32(),
  };
}

function writeSecrets(writer: Writer, secrets: EpochSecrets): void {
  for (const name of secretNames) writer.opaque(secrets[name]);
}

function readSecrets(reader: Reader): EpochSecrets {
  const [
    senderDataSecret,
    exporterSecret,
    externalSecret,
    confirmationKey,
    membershipKey,
    resumptionPsk,
    epochAuthenticator,
    initSecret,
  ] = [
    reader.opaque(),
    reader.opaque(),
    reader.opaque(),
    reader.opaque(),
    reader.opaque(),
    reader.opaque(),
    reader.opaque(),
    reader.opaque(),
  ] as const;
  return {
    senderDataSecret,
    exporterSecret,
    externalSecret,
    confirmationKey,
    membershipKey,
    resumptionPsk,
    epochAuthenticator,
    initSecret,
  };
}

function writePending(writer: Writer, pending: PendingProposal): void {
  writer.opaque(pending.ref);
  writeProposal(writer, pending.proposal);
  writeSender(writer, pending.sender);
  writer.optional(pending.ownUpdate, (keys) => {
    writer.opaque(keys.encryptionPrivateKey);
    writer.opaque(keys.signaturePrivateKey);
  });
}

function readPending(reader: Reader): PendingProposal {
  const pending = { ref: reader.opaque(), proposal: readProposal(reader), sender: readSender(reader) };
  const ownUpdate = reader.optional((item) => ({
    encryptionPrivateKey: item.opaque(),
    signaturePrivateKey: item.opaque(),
  }));
  return ownUpdate === undefined ? pending : { ...pending, ownUpdate };
}

function readHashedTree(suite: CipherSuite, reader: Reader): RatchetTree {
  const draft = readRatchetTree(reader);
  rootHash(suite, draft);
  return draft;
}

function writePastEpoch(writer: Writer, past: PastEpoch): void {
  writeGroupContext(writer, past.groupContext);
  writeRatchetTree(writer, past.tree);
  writer.opaque(past.senderDataSecret);
}

function writeEpoch(writer: Writer, epoch: EpochState): void {
  writer.uint8(version);
  writeConfig(writer, epoch.config);
  writeGroupContext(writer, epoch.groupContext);
  writeRatchetTree(writer, epoch.tree);
  writer.uint32(epoch.ownLeafIndex);
  writer.opaque(epoch.signaturePrivateKey);
  writer.vector([...epoch.pathKeys], ([node, key]) => {
    writer.uint32(node);
    writer.opaque(key);
  });
  writeSecrets(writer, epoch.secrets);
  writer.opaque(epoch.confirmationTag);
  writer.opaque(epoch.interimTranscriptHash);
  writer.vector(epoch.proposals, (pending) => writePending(writer, pending));
  writer.vector(epoch.resumptionPsks, ({ epoch: number, psk }) => {
    writer.uint64(number);
    writer.opaque(psk);
  });
  writer.vector(epoch.pastEpochs, (past) => writePastEpoch(writer, past));
  writer.optional(epoch.reinit, (reinit) => writeProposal(writer, reinit));
}

function readEpoch(suite: CipherSuite, reader: Reader): EpochState {
  if (reader.uint8() !== version) throw decodeFailed("the stored epoch has an unknown version");
  const config = readConfig(reader);
  const groupContext = readGroupContext(reader);
  if (groupContext.cipherSuite !== suite.id) throw decodeFailed("the stored epoch is of another cipher suite");
  const tree = readHashedTree(suite, reader);
  const ownLeafIndex = reader.uint32();
  if (leafAt(tree, ownLeafIndex) === undefined) throw decodeFailed("the stored epoch names no member as its owner");
  const epoch: EpochState = {
    config,
    groupContext,
    tree,
    ownLeafIndex,
    signaturePrivateKey: reader.opaque(),
    pathKeys: new Map(reader.vector((item) => [item.uint32(), item.opaque()] as const)),
    secrets: readSecrets(reader),
    confirmationTag: reader.opaque(),
    interimTranscriptHash: reader.opaque(),
    proposals: reader.vector(readPending),
    resumptionPsks: reader.vector((item) => ({ epoch: item.uint64(), psk: item.opaque() })),
    pastEpochs: reader.vector((item) => ({
      groupContext: readGroupContext(item),
      tree: readHashedTree(suite, item),
      senderDataSecret: item.opaque(),
    })),
  };
  if ([...epoch.pathKeys.keys()].some((node) => node >= nodeWidth(tree.leaves.length))) {
    throw decodeFailed("the stored epoch has a key outside of its tree");
  }
  const reinit = reader.optional(readProposal);
  if (reinit === undefined) return epoch;
  if (reinit.type !== "reinit") throw decodeFailed("the stored epoch ended in something else than a ReInit");
  return { ...epoch, reinit };
}

/** The part that a commit or a proposal changes. */
export function encodeEpoch(state: GroupState): Uint8Array {
  return encode(writeEpoch, state.epoch);
}

/** A piece of the ratchets. */
export interface RatchetChunk {
  /** Short, stable, unique in the group: the epoch and a node index, e.g. "12/7". */
  readonly key: string;
  /** undefined: delete what is stored under `key`. */
  readonly bytes: Uint8Array | undefined;
}

function secretTrees(state: GroupState): Map<bigint, SecretTree> {
  const trees = new Map([[state.epoch.groupContext.epoch, state.ratchets.current]]);
  state.epoch.pastEpochs.forEach(({ groupContext }, index) => {
    const tree = state.ratchets.past[index];
    if (tree !== undefined) trees.set(groupContext.epoch, tree);
  });
  return trees;
}

/**
 * The part that a message changes, in chunks of which a message touches a few: below 2 KB together in a group of any size, where
 * no skipped keys are kept. With `since` (the state stored last) only what differs from it; without, all. A pending `next` state
 * has an epoch number that another commit may also get: store its chunks apart.
 */
export function encodeRatchets(state: GroupState, since?: GroupState): readonly RatchetChunk[] {
  const chunks: RatchetChunk[] = [];
  if (since !== undefined && since.ratchets === state.ratchets) return chunks;
  const trees = secretTrees(state);
  const before = since === undefined ? new Map<bigint, SecretTree>() : secretTrees(since);
  for (const [epoch, tree] of trees) {
    encodeSecretTree(tree, before.get(epoch), (index, bytes) => chunks.push({ key: `${epoch}/${index}`, bytes }));
  }
  for (const [epoch, tree] of before) {
    if (trees.has(epoch)) continue;
    for (const index of chunksOf(tree)) chunks.push({ key: `${epoch}/${index}`, bytes: undefined });
  }
  return chunks;
}

/** @throws MlsError `decode_failed` */
export function decodeState(
  suite: CipherSuite,
  epochBytes: Uint8Array,
  ratchets: Iterable<readonly [key: string, bytes: Uint8Array]>,
): GroupState {
  const epoch = decode((reader) => readEpoch(suite, reader), epochBytes);
  const byEpoch = new Map<string, Uint8Array[]>();
  for (const [key, bytes] of ratchets) {
    const number = key.slice(0, key.indexOf("/"));
    byEpoch.set(number, [...(byEpoch.get(number) ?? []), bytes]);
  }
  const treeOf = (number: bigint, tree: RatchetTree): SecretTree =>
    decodeSecretTree(tree.leaves.length, byEpoch.get(String(number)) ?? []);
  return {
    suite,
    epoch,
    ratchets: {
      current: treeOf(epoch.groupContext.epoch, epoch.tree),
      past: epoch.pastEpochs.map(({ groupContext, tree }) => treeOf(groupContext.epoch, tree)),
    },
  };
}
