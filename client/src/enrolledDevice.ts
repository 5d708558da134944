/** This device once it is known whose it is: how its conversations, its inbox and its backups are wired. */
import type { AccountRecords } from "./account/accountRecords.ts";
import type { Conversation } from "./api.ts";
import { BackupKeeper } from "./backup/backupKeeper.ts";
import { backupSource } from "./backup/backupSource.ts";
import { Restoration } from "./backup/restoration.ts";
import { claimKeyPackages } from "./account/claimKeyPackages.ts";
import type { ClientDeps } from "./clientDeps.ts";
import type { Connection } from "./connection/connection.ts";
import { ConversationBook } from "./conversation/conversationBook.ts";
import type { ConversationDeps } from "./conversation/conversationDeps.ts";
import { TacitError } from "./errors.ts";
import { Housekeeping } from "./housekeeping.ts";
import { Inbox } from "./inbox/inbox.ts";
import type { Notices } from "./notices.ts";
import type { OwnAccount } from "./account/ownAccount.ts";
import type { PeerBook } from "./account/peerBook.ts";
import type { SessionContext } from "./session/conversation.ts";
import type { CryptoContext } from "./session/cryptoContext.ts";
import { createRepairRequest } from "./session/repair/repairRequest.ts";
import { takeItem } from "./inbox/takeItem.ts";

export interface EnrolledDeviceDeps extends Pick<
  ClientDeps,
  "store" | "crypto" | "clock" | "blobs" | "logger" | "backup" | "renewals" | "recover"
> {
  readonly connection: Connection;
  readonly peers: PeerBook;
  readonly records: AccountRecords;
  readonly own: OwnAccount;
  readonly notices: Notices;
}

export interface EnrolledDevice {
  readonly conversationDeps: Omit<ConversationDeps, "moved" | "abandoned">;
  readonly book: ConversationBook;
  readonly house: Housekeeping;
  readonly inbox: Inbox;
  readonly keeper: BackupKeeper;
  readonly restoration: Restoration;
}

/** Brings up what the store holds. @throws TacitError `store_corrupt` */
export async function loadEnrolledDevice(deps: EnrolledDeviceDeps): Promise<EnrolledDevice> {
  const { connection, peers, records, own, notices, crypto, clock, blobs, logger, store } = deps;
  const { failed, report } = notices;
  const { provider } = crypto;
  if (!own.identity.signatureKeys.has(crypto.suite.id)) throw new TacitError("store_corrupt", "the store lacks a key");
  const arrived = (conversation: Conversation): void => notices.tell("conversation", conversation);
  const inbox = new Inbox({
    connection,
    clock,
    random: provider.random,
    take: (item) => takeItem({ conversationDeps, book, house, own, arrived, report }, item),
    taken: () => house.stockAfterWelcomes(),
    failed,
    report,
  });
  const conversationDeps: EnrolledDevice["conversationDeps"] = {
    store,
    connection,
    blobs,
    peers,
    clock,
    logger,
    context: () => ({ ...contextOf(crypto, own), renewals: deps.renewals }),
    isLinked: () => own.identity.accountKey === undefined,
    claim: (account, devices) => claimKeyPackages({ connection, crypto, peers, records }, account, devices),
    devicesOf: async (account) => {
      const { devices, revoked } = await records.fetch(account);
      return { listed: devices.map(({ device }) => device), revoked };
    },
    follow: (met) => records.follow(met),
    heardOwn: (heard) => own.heardFrom(heard),
    repairRequest: (body) => {
      const { deviceKey } = own.identity;
      return createRepairRequest(provider, { certificate: own.enrolment.certificate, deviceKey }, body);
    },
    readInbox: () => inbox.read(),
    accepted: () => house.keepUpSoon({ isNews: false }),
    failed,
  };
  const book = new ConversationBook(conversationDeps);
  await book.load(crypto);
  const house = new Housekeeping({
    conversation: conversationDeps,
    book,
    ownDevices: () => own.record.current?.devices.map(({ device }) => device) ?? [],
    report,
  });
  const source = backupSource(own.enrolment.account, { own, peers, records, book });
  const backup = { connection, clock, blobs, store, provider, source };
  const keeper = await BackupKeeper.load({ ...backup, ...(deps.backup && { times: deps.backup }) });
  const { onNewCode } = deps.recover ?? {};
  const restoration = new Restoration({ ...backup, keeper, peers, book, arrived, onNewCode, failed, report });
  return { conversationDeps, book, house, inbox, keeper, restoration };
}

function contextOf(crypto: CryptoContext, own: OwnAccount): SessionContext {
  const { signatureKeys, device } = own.identity;
  const { account, certificate } = own.enrolment;
  const signatureKey = signatureKeys.get(crypto.suite.id)!;
  const { version, hash } = own.current;
  return { ...crypto, account, device, member: { certificate, signatureKey }, record: { version, hash } };
}
