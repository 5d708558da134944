/**
 * The seam to the MLS engine (RFC 9420): what a conversation needs of a group, and nothing else. Pure: the same arguments, the same
 * answers, apart from randomness; arguments are not changed.
 */
import {
  createCommit,
  createGroup as createMlsGroup,
  createMessage,
  createProposal,
  decodeKeyPackage,
  decodeKeyPackagePrivate,
  decodeState,
  encodeEpoch,
  encodeKeyPackagePrivate,
  encodeRatchets,
  encodeRatchetTree,
  exportSecret,
  findExtension,
  generateKeyPackage,
  inspectMessage,
  joinGroup,
  memberAt,
  members,
  MlsError,
  pendingProposals,
  processMessage,
  secretsGivenUp,
  type CommitSummary,
  type Extension,
  type GroupState,
  type KeyPair,
  type RatchetChunk,
} from "@tacit/mls";
import type { Signed } from "@tacit/protocol";
import { authentication, leafIdentity, type LeafIdentity } from "./authenticate.ts";
import { sameBytes, utf8 } from "./bytes.ts";
import { credentialOf } from "./certificate.ts";
import type { CryptoContext } from "./cryptoContext.ts";
import { decodeGroupData, encodeGroupData, groupDataExtension, plainData, type GroupData } from "./groupData.ts";
import { isLargeTree, treeKeyExtension, unsealTree } from "./welcomeTree.ts";

export type Group = GroupState;
export type { RatchetChunk };
export { MlsError };

/** A device as a member of groups. */
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
    lifetime: { notBefore: seconds(options.now - leeway), notAfter: seconds(options.now + keyPackageLifetime) },
    capabilities: { extensions: [groupDataExtension] },
    lastResort: options.lastResort,
  });
  return { bytes: made.bytes, privateKeys: encodeKeyPackagePrivate(made.privateKeys) };
}

/** Whom a key package would add, signature unchecked. @throws MlsError where it is none */
export function keyPackageIdentity(bytes: Uint8Array): LeafIdentity {
  return leafIdentity(decodeKeyPackage(bytes).leafNode.credential);
}

/** Whether it may be used at `now`. @throws MlsError */
export function isKeyPackageCurrent(bytes: Uint8Array, now: number): boolean {
  const { leafNode } = decodeKeyPackage(bytes);
  if (leafNode.source !== "keyPackage") return false;
  const { notBefore, notAfter } = leafNode.lifetime;
  return notBefore <= seconds(now) && seconds(now) <= notAfter;
}

export interface Committed {
  /** To go on with until the commit is in the log. */
  readonly current: Group;
  /** To go on with from then on. */
  readonly next: Group;
  readonly commit: Uint8Array;
  /** In the order of the key packages that were added. */
  readonly welcomes: readonly Uint8Array[];
  /** The tree after it, where it is too large to be in each Welcome. */
  readonly tree: Uint8Array | undefined;
  /** Wipe when `current` is stored. */
  readonly consumed: readonly Uint8Array[];
  /** Wipe when `next` has taken the place of `current`. */
  readonly consumedByNext: readonly Uint8Array[];
}

/** What a commit changes. */
export interface GroupChange {
  /** Proposals of others that it covers: their references. */
  readonly references: readonly Uint8Array[];
  /** Leaf indices. */
  readonly removes: readonly number[];
  /** Key packages. */
  readonly adds: readonly Uint8Array[];
  readonly data?: GroupData;
}

export interface CommitOptions {
  readonly authenticatedData: Uint8Array;
  /** Seals the tree where it travels apart from the Welcomes; 32 bytes. */
  readonly treeKey: Uint8Array;
  readonly now: number;
}

/**
 * A group that does not exist yet, with its first commit.
 * @throws MlsError where a key package is not valid
 */
export async function createGroup(
  context: CryptoContext,
  member: Member,
  options: CommitOptions & {
    readonly id: string;
    readonly data: GroupData;
    readonly keyPackages: readonly Uint8Array[];
  },
): Promise<Committed> {
  const { suite } = context;
  const own = await createKeyPackage(context, member, { now: options.now, lastResort: false });
  const alone = await createMlsGroup({
    suite,
    groupId: utf8(options.id),
    keyPackage: decodeKeyPackage(own.bytes),
    privateKeys: decodeKeyPackagePrivate(own.privateKeys),
    extensions: [dataExtension(options.data)],
    authentication: authentication(context),
  });
  return commitChange(context, alone, { references: [], removes: [], adds: options.keyPackages }, options);
}

/**
 * A commit, always with new keys for the own leaf and the path above it. The tree goes with each Welcome while it is small.
 * @throws MlsError where a key package is not valid
 */
export async function commitChange(
  context: CryptoContext,
  group: Group,
  { references, removes, adds, data }: GroupChange,
  options: CommitOptions,
): Promise<Committed> {
  // New members come on top of the tree that is.
  const isLarge = adds.length > 0 && isLargeTree(encodeRatchetTree(group), adds);
  const created = await createCommit(group, {
    authentication: authentication(context),
    references,
    proposals: [
      ...removes.map((removed) => ({ type: "remove", removed }) as const),
      ...adds.map((bytes) => ({ type: "add", keyPackage: decodeKeyPackage(bytes) }) as const),
      ...(data === undefined ? [] : [{ type: "groupContextExtensions", extensions: [dataExtension(data)] } as const]),
    ],
    forcePath: true,
    authenticatedData: options.authenticatedData,
    welcome: "separate",
    ratchetTreeInWelcome: !isLarge,
    groupInfoExtensions: isLarge ? [treeKeyExtension(options.treeKey)] : [],
    lifetime: { now: seconds(options.now) },
  });
  const { state, next, commit, welcomes, consumed, consumedByNext } = created;
  return {
    current: state,
    next,
    commit,
    welcomes: welcomes.map(({ bytes }) => bytes),
    tree: isLarge ? encodeRatchetTree(next) : undefined,
    consumed,
    consumedByNext,
  };
}

/** The proposal to remove the own leaf: RFC 9420 lets nobody commit their own removal. */
export async function proposeLeaving(
  context: CryptoContext,
  group: Group,
  authenticatedData: Uint8Array,
): Promise<{ readonly group: Group; readonly proposal: Uint8Array; readonly consumed: readonly Uint8Array[] }> {
  const { state, message, consumed } = await createProposal(
    group,
    { type: "remove", removed: group.epoch.ownLeafIndex },
    { authentication: authentication(context), authenticatedData },
  );
  return { group: state, proposal: message, consumed };
}

/** Proposals by which others asked to leave, of this epoch. The own one is on its way: once the log shows it, this device is out. */
export function leaveProposals(
  group: Group,
): readonly { readonly account: string; readonly leafIndex: number; readonly reference: Uint8Array }[] {
  const own = ownLeafIndex(group);
  return pendingProposals(group).flatMap(({ proposal, sender, ref }) => {
    const isOfItself = proposal.type === "remove" && sender.type === "member" && sender.leafIndex === proposal.removed;
    if (!isOfItself || proposal.removed === own) return [];
    const { account } = identityAt(group, proposal.removed);
    return [{ account, leafIndex: proposal.removed, reference: ref }];
  });
}

function dataExtension(data: GroupData): Extension {
  return { extensionType: groupDataExtension, data: encodeGroupData(data) };
}

/** Undefined where the extensions are not those of a group of ours. */
function dataIn(extensions: readonly Extension[]): GroupData | undefined {
  const extension = findExtension(extensions, groupDataExtension);
  return extension === undefined || extensions.length !== 1 ? undefined : decodeGroupData(extension.data);
}

/** What its members agree on; undefined in a group that none of our clients made. */
export function groupDataOf(group: Group): GroupData | undefined {
  return dataIn(group.epoch.groupContext.extensions);
}

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

/** Seals application data with a key that is used once. */
export async function encrypt(
  group: Group,
  plaintext: Uint8Array,
  padding: number,
): Promise<{ readonly group: Group; readonly message: Uint8Array; readonly consumed: readonly Uint8Array[] }> {
  const { state, message, consumed } = await createMessage(group, plaintext, { padding });
  return { group: state, message, consumed };
}

interface Common {
  readonly group: Group;
  readonly from: LeafIdentity;
  /** Wipe when `group` is stored. */
  readonly consumed: readonly Uint8Array[];
}
export type Processed =
  | (Common & { readonly kind: "message"; readonly plaintext: Uint8Array })
  | (Common & { readonly kind: "proposal" })
  | (Common & {
      readonly kind: "commit";
      /** Whether it does nothing else than Tacit's groups do. */
      readonly isPlain: boolean;
      /** Every device of the group after it. */
      readonly after: readonly LeafIdentity[];
      readonly dataAfter: GroupData;
      /** Devices that it adds, among them those that are put in anew. */
      readonly addedDevices: readonly LeafIdentity[];
      /** Accounts whose own proposal to leave it covers. */
      readonly leaving: readonly string[];
      /** This device's leaf was removed: `group` is still the one before. */
      readonly removed: boolean;
    });

/** @throws MlsError; `everyone` says whether all members would find the same. */
export async function receive(context: CryptoContext, group: Group, message: Uint8Array): Promise<Processed> {
  const processed = await processMessage(group, message, { authentication: authentication(context) });
  const { state, consumed } = processed;
  switch (processed.kind) {
    case "application": {
      const from = leafIdentity(processed.credential);
      return { kind: "message", group: state, from, consumed, plaintext: processed.plaintext };
    }
    case "proposal":
      return { kind: "proposal", group: state, from: senderIn(group, processed.sender), consumed };
    case "commit": {
      // The sender as the epoch before knew it: its own commit may have replaced its leaf.
      const from = senderIn(group, processed.summary.sender);
      const { summary, removed } = processed;
      const dataAfter = dataAfterCommit(group, summary);
      return {
        kind: "commit",
        group: state,
        from,
        consumed,
        isPlain: dataAfter !== undefined && isPlain(summary),
        after: identitiesAfter(group, summary),
        dataAfter: dataAfter ?? plainData,
        addedDevices: summary.added.map(({ leafNode }) => leafIdentity(leafNode.credential)),
        leaving: leavingIn(group, summary),
        removed,
      };
    }
  }
}

const plainProposals: readonly string[] = ["add", "remove", "update", "groupContextExtensions"];

function isPlain({ proposals, reinit }: CommitSummary): boolean {
  return proposals.every(({ proposal }) => plainProposals.includes(proposal.type)) && reinit === undefined;
}

/** From the proposals, not from the group after them, which a device that is removed never gets. */
function dataAfterCommit(before: Group, { proposals }: CommitSummary): GroupData | undefined {
  for (const { proposal } of proposals) {
    if (proposal.type === "groupContextExtensions") return dataIn(proposal.extensions);
  }
  return groupDataOf(before);
}

function leavingIn(before: Group, { proposals }: CommitSummary): readonly string[] {
  return proposals.flatMap(({ proposal, sender, byReference }) =>
    byReference && proposal.type === "remove" && sender.type === "member" && sender.leafIndex === proposal.removed
      ? [identityAt(before, proposal.removed).account]
      : [],
  );
}

/** From what the commit says, not from the tree after it, which a device that it removes never gets. */
function identitiesAfter(before: Group, { added, removed, updated }: CommitSummary): readonly LeafIdentity[] {
  const leaves = new Map(members(before).map(({ leafIndex, leafNode }) => [leafIndex, leafNode]));
  for (const { leafIndex } of removed) leaves.delete(leafIndex);
  for (const { leafIndex, leafNode } of [...updated, ...added]) leaves.set(leafIndex, leafNode);
  return [...leaves.values()].map(({ credential }) => leafIdentity(credential));
}

/** What a handshake message says without any key; bound to its ciphertext (RFC 9420, 6.3.1), so true once that is accepted. */
export interface HandshakeHeader {
  readonly groupId: Uint8Array;
  /** The epoch that it was made in. */
  readonly epoch: bigint;
  readonly authenticatedData: Uint8Array;
}

/** Whether it was made in this epoch of this conversation's group. */
export function isOfEpoch(header: HandshakeHeader, conversation: string, epoch: bigint): boolean {
  return header.epoch === epoch && isGroupOf(header.groupId, conversation);
}

/** Undefined where the bytes are no such message, or one that does not hide its content. */
export function handshakeHeader(message: Uint8Array, kind: "proposal" | "commit"): HandshakeHeader | undefined {
  try {
    const info = inspectMessage(message);
    return info.wireFormat === "privateMessage" && info.contentType === kind ? info : undefined;
  } catch (error) {
    if (error instanceof MlsError) return undefined;
    throw error;
  }
}

function senderIn(group: Group, sender: { readonly type: string; readonly leafIndex?: number }): LeafIdentity {
  if (sender.type !== "member" || sender.leafIndex === undefined) {
    throw new MlsError("content_not_allowed", "Tacit's groups hear members alone", { everyone: true });
  }
  return identityAt(group, sender.leafIndex);
}

export function identityAt(group: Group, leafIndex: number): LeafIdentity {
  const member = memberAt(group, leafIndex);
  if (member === undefined) throw new MlsError("invalid_argument", "there is no such leaf");
  return leafIdentity(member.leafNode.credential);
}

export interface Leaf {
  readonly leafIndex: number;
  readonly identity: LeafIdentity;
}

/** Every leaf of the group. */
export function leavesOf(group: Group): readonly Leaf[] {
  return members(group).map(({ leafIndex, leafNode }) => ({
    leafIndex,
    identity: leafIdentity(leafNode.credential),
  }));
}

/** Every device of the group. */
export function identities(group: Group): readonly LeafIdentity[] {
  return members(group).map(({ leafNode }) => leafIdentity(leafNode.credential));
}

/** Accounts of the group, sorted, each once. */
export function accountsOf(group: Group): readonly string[] {
  return accountsIn(identities(group));
}

/** Sorted, each once. */
export function accountsIn(leaves: readonly Pick<LeafIdentity, "account">[]): readonly string[] {
  return [...new Set(leaves.map(({ account }) => account))].sort();
}

/** Compares bytes: a group's id is whatever its creator chose, and need not be text. */
export function isGroupOf(groupId: Uint8Array, conversation: string): boolean {
  return sameBytes(groupId, utf8(conversation));
}

export function groupIdOf(group: Group): Uint8Array {
  return group.epoch.groupContext.groupId;
}

/** Secrets of `dropped` that `kept` does not share: those of the epoch and of its ratchets. */
export function secretsOnlyIn(dropped: Group, kept: Group | undefined): readonly Uint8Array[] {
  return secretsGivenUp(dropped, kept);
}

export function ownLeafIndex(group: Group): number {
  return group.epoch.ownLeafIndex;
}

export function signatureKeyAt(group: Group, leafIndex: number): Uint8Array | undefined {
  return memberAt(group, leafIndex)?.leafNode.signatureKey;
}

/** A key that all members of the epoch can derive (RFC 9420, section 8.5). */
export function exportKey(group: Group, label: string, context: Uint8Array, length: number): Uint8Array {
  return exportSecret(group, label, context, length);
}

/** Names the epoch; both sides of a signal must be in the same. */
export function epochOf(group: Group): bigint {
  return group.epoch.groupContext.epoch;
}

/** What a commit changes; undefined where `before` holds the same. */
export function encodeGroupEpoch(group: Group, before?: Group): Uint8Array | undefined {
  return before?.epoch === group.epoch ? undefined : encodeEpoch(group);
}

/** What a message changes, since `before`. */
export function encodeGroupRatchets(group: Group, before?: Group): readonly RatchetChunk[] {
  return before?.ratchets === group.ratchets ? [] : encodeRatchets(group, before);
}

/** @throws MlsError `decode_failed` */
export function decodeGroup(
  { suite }: CryptoContext,
  epoch: Uint8Array,
  ratchets: Iterable<readonly [key: string, bytes: Uint8Array]>,
): Group {
  return decodeState(suite, epoch, ratchets);
}

function seconds(milliseconds: number): bigint {
  return BigInt(Math.max(0, Math.floor(milliseconds / 1000)));
}
