/** Tacit's client: see README.md. */
export type {
  Client,
  ClientEvents,
  ConnectionState,
  Conversation,
  ConversationInfo,
  ConversationStatus,
  Device,
  IterateOptions,
  LinkCodeShown,
  LinkOptions,
  Message,
  Observable,
  OutgoingMessage,
  Typing,
} from "./api.ts";
export type { BackupHealth, BackupTimes } from "./backup/backupKeeper.ts";
export { connect, type ConnectOptions } from "./connect.ts";
export type { Contact } from "./account/contacts.ts";
export type { RelayEquivocation } from "./account/equivocation.ts";
export { isTacitError, TacitError, type Remedy, type TacitErrorCode } from "./errors.ts";
export type {
  BlobTransfer,
  Clock,
  DeviceHint,
  DeviceHints,
  Logger,
  Random,
  ScanOptions,
  Socket,
  SocketEvents,
  Store,
  Transport,
  Vault,
  Write,
} from "./ports.ts";
export type { CryptoProvider } from "./session/cryptoContext.ts";
export { verifyEvidence, type RecordEvidence } from "./session/identity/receipt.ts";
export type { SafetyNumber } from "./session/identity/safetyNumber.ts";
export type { Role } from "./session/group/groupData.ts";
export type { RenewalPace } from "./session/renewal.ts";
export type { TimelineItem, TimelineNotice, UnreadableReason } from "./session/timeline.ts";
