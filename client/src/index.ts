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
export { connect, type ConnectOptions } from "./connect.ts";
export { isTacitError, TacitError, type Remedy, type TacitErrorCode } from "./errors.ts";
export type {
  BlobTransfer,
  Clock,
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
export type { Role } from "./session/groupData.ts";
export type { TimelineItem, TimelineNotice, UnreadableReason } from "./session/timeline.ts";
