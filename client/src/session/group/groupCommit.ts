/** What changes a group: its creation, commits, and the proposal to leave. */
import {
  createCommit,
  createGroup as createMlsGroup,
  createProposal,
  decodeKeyPackage,
  decodeKeyPackagePrivate,
  encodeRatchetTree,
  type Extension,
} from "@tacit/mls";
import { authentication } from "./authenticate.ts";
import { utf8 } from "../bytes.ts";
import type { CryptoContext } from "../cryptoContext.ts";
import { encodeGroupData, groupDataExtension, type GroupData } from "./groupData.ts";
import { isLargeTree, treeKeyExtension } from "./welcomeTree.ts";
import type { Group } from "./group.ts";
import { createKeyPackage, seconds, type Member } from "./member.ts";

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
  /** What those who come in are told beside the group, in the GroupInfo. */
  readonly forJoiners?: readonly Extension[];
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
    groupInfoExtensions: [...(isLarge ? [treeKeyExtension(options.treeKey)] : []), ...(options.forJoiners ?? [])],
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

function dataExtension(data: GroupData): Extension {
  return { extensionType: groupDataExtension, data: encodeGroupData(data) };
}
