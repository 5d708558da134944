/** INTERIM: public signatures while the implementation lands; each moves into its own file with the same name and shape. */
import type { AuthenticationService } from "./authentication.ts";
import type { Capabilities } from "./capabilities.ts";
import type { CipherSuite, KeyPair } from "./cipherSuite.ts";
import type { Credential } from "./credential.ts";
import type { Extension } from "./extension.ts";
import type { GroupConfig } from "./groupConfig.ts";
import type { GroupContext } from "./groupContext.ts";
import type { KeyPackage, KeyPackagePrivate } from "./keyPackage.ts";
import type { LeafNode, Lifetime } from "./leafNode.ts";
import type { Proposal, ReInitProposal } from "./proposal.ts";
import type { PskLookup } from "./psk.ts";

export type { AuthenticationContext, AuthenticationService } from "./authentication.ts";
export type { Capabilities, RequiredCapabilities } from "./capabilities.ts";
export type { CipherSuite, KeyPair, Random } from "./cipherSuite.ts";
export type { Credential } from "./credential.ts";
export type { Extension } from "./extension.ts";
export type { GroupConfig } from "./groupConfig.ts";
export type { GroupContext } from "./groupContext.ts";
export type { KeyPackage, KeyPackagePrivate } from "./keyPackage.ts";
export type { LeafNode, Lifetime } from "./leafNode.ts";
export type { Proposal } from "./proposal.ts";
export type { PreSharedKeyId, PskLookup } from "./psk.ts";
export { lenientConfig, strictConfig } from "./groupConfig.ts";
export { extensionTypes } from "./extension.ts";
export { requiredCapabilitiesExtension } from "./capabilities.ts";
export { MlsError } from "./mlsError.ts";

/**
 * A member's view of a group. Opaque to applications; read it with the functions below.
 * `epoch` changes with a commit or a proposal, `ratchets` with each message: compare them by identity to know what to store.
 */
export interface GroupState {
  readonly suite: CipherSuite;
  readonly epoch: { readonly groupContext: GroupContext; readonly ownLeafIndex: number };
  readonly ratchets: object;
}

/** Seconds since 1970. `maximum` bounds notAfter - notBefore. */
export interface LifetimePolicy {
  readonly now: bigint;
  readonly maximum?: bigint;
}

export interface GenerateKeyPackageOptions {
  readonly suite: CipherSuite;
  readonly credential: Credential;
  readonly signatureKeyPair: KeyPair;
  readonly lifetime: Lifetime;
  /** Default: mls10, this suite, the types of the credential and of the extensions given. */
  readonly capabilities?: Partial<Capabilities>;
  readonly extensions?: readonly Extension[];
  readonly leafExtensions?: readonly Extension[];
  /** Marks the package as one that may be used several times. */
  readonly lastResort?: boolean;
}
export interface GeneratedKeyPackage {
  readonly keyPackage: KeyPackage;
  /** An MLSMessage; give it to those who want to add this client. */
  readonly bytes: Uint8Array;
  /** KeyPackageRef: what a Welcome names. */
  readonly ref: Uint8Array;
  readonly privateKeys: KeyPackagePrivate;
}
export declare function generateKeyPackage(options: GenerateKeyPackageOptions): Promise<GeneratedKeyPackage>;
export declare function encodeKeyPackagePrivate(keys: KeyPackagePrivate): Uint8Array;
export declare function decodeKeyPackagePrivate(bytes: Uint8Array): KeyPackagePrivate;
/** Decodes an MLSMessage with a key package; checks nothing else. */
export declare function decodeKeyPackage(bytes: Uint8Array): KeyPackage;
export declare function keyPackageRef(suite: CipherSuite, keyPackage: KeyPackage): Uint8Array;
/** Section 10.1: signatures, credential, lifetime, suite. @throws MlsError */
export declare function validateKeyPackage(
  keyPackage: KeyPackage,
  options: {
    readonly suite: CipherSuite;
    readonly authentication: AuthenticationService;
    readonly lifetime?: LifetimePolicy;
  },
): Promise<void>;

export interface CreateGroupOptions {
  readonly suite: CipherSuite;
  readonly groupId: Uint8Array;
  readonly keyPackage: KeyPackage;
  readonly privateKeys: KeyPackagePrivate;
  readonly extensions?: readonly Extension[];
  readonly authentication: AuthenticationService;
  readonly config?: GroupConfig;
}
export declare function createGroup(options: CreateGroupOptions): Promise<GroupState>;

/** Which Welcome messages a commit with Adds makes: one for all, or one for each. */
export type WelcomeMode = "shared" | "separate";

export interface CreateCommitOptions {
  readonly authentication: AuthenticationService;
  /** New proposals, by value. */
  readonly proposals?: readonly Proposal[];
  /** Received and own pending proposals, by reference: all valid ones (default), none, or these refs. */
  readonly references?: "all" | "none" | readonly Uint8Array[];
  /** A path even if only Adds, PSKs or a ReInit are committed. Default true. */
  readonly forcePath?: boolean;
  /** Replaces credential, signature key, capabilities or extensions of the own leaf (needs a path). */
  readonly leaf?: {
    readonly credential?: Credential;
    readonly signatureKeyPair?: KeyPair;
    readonly capabilities?: Capabilities;
    readonly extensions?: readonly Extension[];
  };
  readonly authenticatedData?: Uint8Array;
  /** Default true: a PrivateMessage. */
  readonly privateMessage?: boolean;
  /** Zero bytes added inside a PrivateMessage. */
  readonly padding?: number;
  readonly welcome?: WelcomeMode;
  /** Default false: the tree travels apart (`encodeRatchetTree(next)`). */
  readonly ratchetTreeInWelcome?: boolean;
  readonly groupInfoExtensions?: readonly Extension[];
  readonly psks?: PskLookup;
  /** Checks the lifetimes of those added. */
  readonly lifetime?: LifetimePolicy;
}
export interface WelcomeMessage {
  readonly bytes: Uint8Array;
  readonly newMembers: readonly { readonly leafIndex: number; readonly keyPackageRef: Uint8Array }[];
}
export interface CreatedCommit {
  /** The current epoch, with the ratchet advanced: store it before sending, go on with it until the commit is accepted. */
  readonly state: GroupState;
  /** The next epoch: take it when the commit is accepted, drop it when another was. */
  readonly next: GroupState;
  readonly commit: Uint8Array;
  readonly welcomes: readonly WelcomeMessage[];
  readonly summary: CommitSummary;
  /** Wipe when `state` is stored and used. */
  readonly consumed: readonly Uint8Array[];
  /** Wipe when `next` has replaced `state`. */
  readonly consumedByNext: readonly Uint8Array[];
}
export declare function createCommit(state: GroupState, options: CreateCommitOptions): Promise<CreatedCommit>;

export interface JoinGroupOptions {
  readonly suite: CipherSuite;
  /** The MLSMessage with the Welcome. */
  readonly welcome: Uint8Array;
  readonly keyPackage: KeyPackage;
  readonly privateKeys: KeyPackagePrivate;
  /** Needed where the Welcome does not carry it. */
  readonly ratchetTree?: Uint8Array;
  readonly psks?: PskLookup;
  /** Checks the own key package (and, with `checkMembers`, those of members that never committed). */
  readonly lifetime?: LifetimePolicy;
  readonly authentication: AuthenticationService;
  readonly config?: GroupConfig;
}
export interface JoinedGroup {
  readonly state: GroupState;
  readonly groupInfoExtensions: readonly Extension[];
  /** Leaf index of who signed the GroupInfo. */
  readonly signer: number;
  /** The init key's private part and intermediate secrets. */
  readonly consumed: readonly Uint8Array[];
}
export declare function joinGroup(options: JoinGroupOptions): Promise<JoinedGroup>;

export interface CreateMessageOptions {
  readonly authenticatedData?: Uint8Array;
  /** Zero bytes added to the content. */
  readonly padding?: number;
}
export interface CreatedMessage {
  readonly state: GroupState;
  readonly message: Uint8Array;
  readonly consumed: readonly Uint8Array[];
}
/** Seals application data as a PrivateMessage. */
export declare function createMessage(
  state: GroupState,
  plaintext: Uint8Array,
  options?: CreateMessageOptions,
): Promise<CreatedMessage>;

export interface CreateProposalOptions extends CreateMessageOptions {
  readonly authentication: AuthenticationService;
  readonly privateMessage?: boolean;
}
export interface CreatedProposal extends CreatedMessage {
  /** ProposalRef. */
  readonly ref: Uint8Array;
}
/** `"update"` makes a new leaf for the sender (with `leaf` to change its credential and key). */
export declare function createProposal(
  state: GroupState,
  proposal:
    | Exclude<Proposal, { type: "update" | "externalInit" }>
    | { readonly type: "update"; readonly leaf?: CreateCommitOptions["leaf"] },
  options: CreateProposalOptions,
): Promise<CreatedProposal>;

export type Sender =
  | { readonly type: "member"; readonly leafIndex: number }
  | { readonly type: "external"; readonly senderIndex: number }
  | { readonly type: "newMemberProposal" }
  | { readonly type: "newMemberCommit" };

export interface MemberChange {
  readonly leafIndex: number;
  readonly leafNode: LeafNode;
  /** Who proposed it. */
  readonly by: Sender;
}
export interface CommitSummary {
  readonly sender: Sender;
  /** The committer's leaf index in the new epoch (that of the joiner for an external commit). */
  readonly committer: number;
  /** Epoch that the commit starts. */
  readonly epoch: bigint;
  readonly proposals: readonly {
    readonly proposal: Proposal;
    readonly sender: Sender;
    readonly byReference: boolean;
  }[];
  readonly added: readonly MemberChange[];
  readonly removed: readonly MemberChange[];
  /** `leafNode` is the new one. The committer's own is included when there is a path. */
  readonly updated: readonly (MemberChange & { readonly previous: LeafNode })[];
  readonly hasPath: boolean;
  readonly extensionsChanged: boolean;
  readonly reinit?: ReInitProposal;
}

export interface ProcessMessageOptions {
  readonly authentication: AuthenticationService;
  readonly psks?: PskLookup;
  /** Only if given are the lifetimes of those added checked; clocks differ between members. */
  readonly lifetime?: LifetimePolicy;
}
interface Processed {
  readonly state: GroupState;
  readonly consumed: readonly Uint8Array[];
  readonly authenticatedData: Uint8Array;
  readonly epoch: bigint;
}
export interface ProcessedApplication extends Processed {
  readonly kind: "application";
  readonly plaintext: Uint8Array;
  readonly senderLeaf: number;
  readonly credential: Credential;
  readonly generation: number;
}
export interface ProcessedProposal extends Processed {
  readonly kind: "proposal";
  readonly ref: Uint8Array;
  readonly proposal: Proposal;
  readonly sender: Sender;
}
export interface ProcessedCommit extends Processed {
  readonly kind: "commit";
  readonly summary: CommitSummary;
  /** This member was removed: `state` is the old epoch, good for nothing but late messages. */
  readonly removed: boolean;
}
export type ProcessedMessage = ProcessedApplication | ProcessedProposal | ProcessedCommit;
/** Own messages cannot be processed (code `own_message`): take `next` of createCommit, keep the plaintext yourself. */
export declare function processMessage(
  state: GroupState,
  message: Uint8Array,
  options: ProcessMessageOptions,
): Promise<ProcessedMessage>;

export type MessageInfo =
  | {
      readonly wireFormat: "privateMessage" | "publicMessage";
      readonly groupId: Uint8Array;
      readonly epoch: bigint;
      readonly contentType: "application" | "proposal" | "commit";
      readonly authenticatedData: Uint8Array;
    }
  | { readonly wireFormat: "welcome"; readonly cipherSuite: number; readonly keyPackageRefs: readonly Uint8Array[] }
  | { readonly wireFormat: "groupInfo"; readonly groupId: Uint8Array; readonly epoch: bigint }
  | { readonly wireFormat: "keyPackage"; readonly keyPackage: KeyPackage };
/** What a message says without any key. Nothing in it is authenticated. */
export declare function inspectMessage(bytes: Uint8Array): MessageInfo;

export interface Member {
  readonly leafIndex: number;
  readonly leafNode: LeafNode;
}
export declare function members(state: GroupState): readonly Member[];
export declare function memberAt(state: GroupState, leafIndex: number): Member | undefined;
export declare function exportSecret(state: GroupState, label: string, context: Uint8Array, length: number): Uint8Array;
/** A copy; section 8.7. */
export declare function epochAuthenticator(state: GroupState): Uint8Array;
/** The resumption PSK of the current epoch, for branches, reinit and successors. */
export declare function resumptionPsk(state: GroupState): Uint8Array;
/** Proposals received or sent in this epoch and not yet committed. */
export declare function pendingProposals(
  state: GroupState,
): readonly { readonly ref: Uint8Array; readonly proposal: Proposal; readonly sender: Sender }[];
export declare function clearPendingProposals(state: GroupState): GroupState;

/** `optional<Node> ratchet_tree<V>`, for joiners. */
export declare function encodeRatchetTree(state: GroupState): Uint8Array;

/** The part that a commit or proposal changes. */
export declare function encodeEpoch(state: GroupState): Uint8Array;
/** A piece of the ratchets. `bytes` undefined: delete what is stored under `key`. */
export interface RatchetChunk {
  /** Short, stable, unique in the group, e.g. "12/7". */
  readonly key: string;
  readonly bytes: Uint8Array | undefined;
}
/**
 * The part that a message changes, in chunks of which a message touches a few: at most 2 KB together at any size. With
 * `since` (the state stored last) only what differs; without, all.
 */
export declare function encodeRatchets(state: GroupState, since?: GroupState): readonly RatchetChunk[];
/** @throws MlsError `decode_failed` */
export declare function decodeState(
  suite: CipherSuite,
  epoch: Uint8Array,
  ratchets: Iterable<readonly [key: string, bytes: Uint8Array]>,
): GroupState;
