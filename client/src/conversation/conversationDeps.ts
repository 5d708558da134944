/** What a live conversation is given. */
import type { AccountDevices } from "../session/joining/whomToFollow.ts";
import type { Connection } from "../connection/connection.ts";
import type { TacitError } from "../errors.ts";
import type { Met, PeerBook } from "../account/peerBook.ts";
import type { BlobTransfer, Clock, Logger } from "../ports.ts";
import type { SealedStore } from "../sealedStore.ts";
import type { Claimed, HeardRecord, SessionContext } from "../session/conversation.ts";
import type { RepairRequest } from "../session/repair/repairRequest.ts";

export interface ConversationDeps {
  /** As this device is now: its certificate and its account's record change. */
  readonly context: () => SessionContext;
  readonly store: SealedStore;
  readonly connection: Connection;
  readonly blobs: BlobTransfer;
  readonly peers: PeerBook;
  readonly clock: Clock;
  readonly logger: Logger;
  /** One key package of each device of `account`, or of those named, checked. @throws TacitError, Refused, LostAnswer */
  readonly claim: (account: string, devices?: readonly string[]) => Promise<readonly Claimed[]>;
  /** Whether this device was linked: then its account's holder puts it into conversations. */
  readonly isLinked: () => boolean;
  /** What the account's record says, checked. @throws TacitError, Refused, LostAnswer */
  readonly devicesOf: (account: string) => Promise<AccountDevices>;
  /** A request to be put in anew, signed by this device. */
  readonly repairRequest: (body: Omit<RepairRequest, "certificate">) => Promise<Uint8Array>;
  /** Reads the inbox. */
  readonly readInbox: () => Promise<void>;
  /** What a step found out about accounts, once it is stored. */
  readonly follow: (met: Met) => void;
  /** What another device of the own account says of its record. */
  readonly heardOwn: (heard: HeardRecord) => void;
  /** What was a request is wanted now: other devices of the own account are to come in. */
  readonly accepted: () => void;
  readonly failed: (error: TacitError) => void;
  /** It goes on in another log: doorbells come under another name. */
  readonly moved: (conversation: string, log: string) => void;
  /** It could not be opened, and nothing is kept of it. */
  readonly abandoned: (conversation: string) => void;
}
