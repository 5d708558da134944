/** What the parts of the own account are given. */
import type { Signed } from "@tacit/protocol";
import type { LinkOptions } from "../api.ts";
import type { RecoveredIdentity } from "../backup/recovery.ts";
import type { Connection, Hello } from "../connection/connection.ts";
import type { RelayEquivocation } from "./equivocation.ts";
import type { TacitError } from "../errors.ts";
import type { BlobTransfer, Clock } from "../ports.ts";
import type { RelaySocket } from "../connection/relaySocket.ts";
import type { SealedStore } from "../sealedStore.ts";
import type { VerifiedRecord } from "../session/identity/accountRecord.ts";
import type { CryptoContext } from "../session/cryptoContext.ts";
import type { Change } from "../session/conversationStore.ts";
import type { ArchivedConversation } from "../session/history/historyArchive.ts";
import type { ImportedHistory } from "../session/history/importedHistory.ts";
import type { Identity } from "../session/identity/identity.ts";

export interface OwnAccountDeps {
  readonly store: SealedStore;
  readonly crypto: CryptoContext;
  readonly clock: Clock;
  readonly connection: Pick<Connection, "request" | "now" | "isUp">;
  readonly blobs: BlobTransfer;
  readonly link: LinkOptions | undefined;
  /** Where the account is to be recovered on this device. */
  readonly recovery: AccountRecovery | undefined;
  /** @throws TacitError where the relay's receipt is not for that record, or not of the relay; reported already */
  readonly checkReceipt: (record: VerifiedRecord, receipt: Signed) => Promise<void>;
  /** There is another record of a version that is known. */
  readonly equivocation: (event: RelayEquivocation) => void;
  /** Looks into the inbox now; what it finds comes back by `receive`. */
  readonly readInbox: () => Promise<void>;
  /** What a device that is linked is given of the past. */
  readonly history: () => Promise<readonly ArchivedConversation[]>;
  /** Stores the history that this device was handed, and `more` with it. */
  readonly takeOver: (histories: readonly ImportedHistory[], more: readonly Change[]) => Promise<void>;
  readonly failed: (error: TacitError) => void;
  /** The same, where it is more than a network that is down or a relay that is busy. */
  readonly report: (error: unknown) => void;
  /** The account has other devices than before, or one can be reached that could not: conversations are to follow. */
  readonly reconcile: () => void;
  /** The account's record says that this device is not of the account any more: there is nothing left to do here. */
  readonly revoked: (error: TacitError) => void;
}

/** Enters the account by its recovery code. */
export interface AccountRecovery {
  /** The account's next record, with this device alone, and what to store with it. @throws TacitError; Refused, LostAnswer */
  enter(identity: Identity, hello: Hello, socket: RelaySocket): Promise<RecoveredIdentity>;
}
