/** Messaging Layer Security (RFC 9420): every operation is a function of (state, input); nothing is mutated. */
export type { AuthenticationContext, AuthenticationService } from "./authentication.ts";
export {
  requiredCapabilitiesExtension,
  requiredCapabilitiesOf,
  type Capabilities,
  type RequiredCapabilities,
} from "./capabilities.ts";
export type { CipherSuite, KeyPair, MaybePromise, Random } from "./cipherSuite.ts";
export type { CommitSummary } from "./commitSummary.ts";
export { createCommit, type CreateCommitOptions, type CreatedCommit } from "./createCommit.ts";
export { createGroupInfo, type GroupInfoOptions } from "./createGroupInfo.ts";
export { createGroup, type CreateGroupOptions } from "./createGroup.ts";
export { createMessage, type CreatedMessage } from "./createMessage.ts";
export {
  createProposal,
  type CreatedProposal,
  type CreateProposalOptions,
  type LeafChange,
  type ProposalInput,
} from "./createProposal.ts";
export type { WelcomeMessage, WelcomeMode } from "./createWelcome.ts";
export { credentialTypes, type Credential } from "./credential.ts";
export { extensionTypes, findExtension, type Extension } from "./extension.ts";
export { joinExternally, type JoinedExternally, type JoinExternallyOptions } from "./externalCommit.ts";
export {
  createExternalProposal,
  createNewMemberProposal,
  type ExternalProposalOptions,
  type NewMemberProposalOptions,
} from "./externalProposal.ts";
export { externalSendersExtension, externalSendersOf, type ExternalSender } from "./externalSenders.ts";
export {
  decodeBareKeyPackage,
  decodeKeyPackage,
  generateKeyPackage,
  type GeneratedKeyPackage,
  type GenerateKeyPackageOptions,
} from "./generateKeyPackage.ts";
export { lenientConfig, strictConfig, type GroupConfig } from "./groupConfig.ts";
export type { GroupContext } from "./groupContext.ts";
export { secretsGivenUp, type GroupState, type PendingProposal } from "./groupState.ts";
export {
  clearPendingProposals,
  encodeRatchetTree,
  epochAuthenticator,
  exportSecret,
  memberAt,
  members,
  ownLeaf,
  pendingProposals,
  resumptionPsk,
} from "./groupView.ts";
export type { Hpke, HpkeContext, HpkePsk } from "./hpke.ts";
export { inspectMessage, type MessageInfo } from "./inspectMessage.ts";
export { joinGroup, type JoinedGroup, type JoinGroupOptions } from "./joinGroup.ts";
export {
  decodeKeyPackagePrivate,
  encodeKeyPackagePrivate,
  keyPackageRef,
  type KeyPackage,
  type KeyPackagePrivate,
} from "./keyPackage.ts";
export { validateKeyPackage, type ValidateKeyPackageOptions } from "./keyPackageValidation.ts";
export type { LeafNode, Lifetime } from "./leafNode.ts";
export type { LifetimePolicy } from "./lifetime.ts";
export { MlsError, type MlsErrorCode } from "./mlsError.ts";
export {
  processMessage,
  type ProcessedApplication,
  type ProcessedCommit,
  type ProcessedMessage,
  type ProcessedProposal,
  type ProcessMessageOptions,
} from "./processMessage.ts";
export type { CryptoProvider, ProviderOptions } from "./provider.ts";
export { reinitProposal, type Proposal } from "./proposal.ts";
export type { ListedProposal, MemberChange, UpdatedMember } from "./proposalList.ts";
export type { FramingOptions } from "./protectMessage.ts";
export type { ExternalPskId, PreSharedKeyId, PskLookup, ResumptionPskId } from "./psk.ts";
export type { Member } from "./ratchetTree.ts";
export type { Sender } from "./sender.ts";
export { decodeState, encodeEpoch, encodeRatchets, type RatchetChunk } from "./stateEncoding.ts";
export { cipherSuites, defaultCipherSuite, getCipherSuite, getHpke } from "./suites.ts";
export { branch, reinitialize, type BranchOptions, type ReinitOptions } from "./successorGroup.ts";
