/** The shell: one device, its connection, its conversations. */
import { decodeBase64Url, type Push } from "@tacit/protocol";
import { loadOwnAccount, type StoredAccount } from "./account/ownIdentity.ts";
import { AccountRecords } from "./account/accountRecords.ts";
import type { Client, ClientEvents, Conversation, Device, Observable } from "./api.ts";
import type { BackupHealth } from "./backup/backupKeeper.ts";
import { unlessOffline, untilOnline } from "./connection/awaitConnection.ts";
import { backedUpPrefixes } from "./backup/makeBackup.ts";
import { pendingRecovery, recoveredIdentity } from "./backup/recovery.ts";
import type { ClientDeps } from "./clientDeps.ts";
import { Connection, type Hello } from "./connection/connection.ts";
import { Contacts, type Contact } from "./account/contacts.ts";
import { deferred } from "./deferred.ts";
import { loadEnrolledDevice, type EnrolledDevice } from "./enrolledDevice.ts";
import { TacitError } from "./errors.ts";
import { archivedPast } from "./linking/historyHandOver.ts";
import { LiveConversation } from "./conversation/liveConversation.ts";
import { Notices } from "./notices.ts";
import { OwnAccount } from "./account/ownAccount.ts";
import { PeerBook } from "./account/peerBook.ts";
import { storePicture } from "./conversation/picture.ts";
import type { DeviceHint } from "./ports.ts";
import type { RelaySocket } from "./connection/relaySocket.ts";
import { watchedStore } from "./sealedStore.ts";
import { directConversationId, newConversation, type ConversationState } from "./session/conversation.ts";
import { connectProtocols } from "./session/identity/proof.ts";
import type { Person, SafetyNumber } from "./session/identity/safetyNumber.ts";
import { tokenSource } from "./connection/tokenSource.ts";
import { identityChanged } from "./translate.ts";
import { invitedTo, requireAccount, wantedGroup } from "./conversation/wantedConversations.ts";

export class TacitClient implements Client {
  readonly #deps: ClientDeps;
  readonly #connection: Connection;
  readonly #token: () => Promise<string>;
  readonly #peers: PeerBook;
  readonly #notices = new Notices();
  readonly #own: OwnAccount;
  readonly #records: AccountRecords;
  readonly #contacts: Contacts;
  readonly #isReachable = deferred<void>();
  /** Once it is known whose device this is. */
  #device: EnrolledDevice | undefined;
  #closing: Promise<void> | undefined;

  private constructor(deps: ClientDeps, stored: StoredAccount, peers: PeerBook, recoveryKey: Uint8Array | undefined) {
    this.#deps = deps;
    this.#peers = peers;
    const { crypto, transport, clock, url, hints, restAfter, patience, store } = deps;
    const { provider } = crypto;
    const { failed, report } = this.#notices;
    this.#token = tokenSource(clock, deps.token);
    this.#connection = new Connection({
      transport,
      clock,
      random: provider.random,
      url,
      hints,
      restAfter,
      patience,
      isBusy: () => this.#device?.book.all().some(({ isBusy }) => isBusy) === true,
      protocols: (now) => this.#protocols(now),
      welcomed: (hello, socket) => this.#welcomed(hello, socket),
      catchUp: () =>
        this.#catchUp().catch((error: unknown) => {
          report(error);
          throw error;
        }),
      push: (push) => this.#rung(push),
    });
    this.#records = new AccountRecords({
      connection: this.#connection,
      store,
      peers,
      provider,
      own: () => this.#own.record.current,
      receiptKey: deps.receiptKey,
      identityChanged: (event) => this.#notices.tell("identityChanged", event),
      equivocation: (event) => this.#notices.tell("relayEquivocation", event),
      failed,
    });
    this.#contacts = new Contacts({ peers, records: this.#records, provider, self: () => this.#self() });
    this.#own = new OwnAccount(
      {
        ...deps,
        connection: this.#connection,
        readInbox: () => this.#enrolled.inbox.read(),
        history: () => archivedPast(store, this.#enrolled.book),
        takeOver: (histories, more) => this.#enrolled.book.takeOver(histories, more),
        failed,
        report,
        recovery: recoveryKey && {
          enter: (identity, hello, socket) => {
            const ask: RelaySocket["request"] = (operation, fields) => socket.request(operation, fields);
            const asking = { ask, provider, records: this.#records };
            return recoveredIdentity(asking, identity, hello.account, recoveryKey, hello.serverTime);
          },
        },
        checkReceipt: (record, receipt) => this.#records.checkReceipt(record, receipt),
        equivocation: (event) => this.#notices.tell("relayEquivocation", event),
        reconcile: () => this.#device?.house.keepUpSoon({ isNews: true }),
        revoked: (error) => this.#connection.close(error),
      },
      stored,
    );
    this.#own.devices.subscribe((devices) => this.#notices.tell("devicesChanged", devices));
  }

  /** Loads what the store holds; makes a device where it is empty. */
  static async open(deps: ClientDeps): Promise<TacitClient> {
    let touched = (): void => {};
    const store = watchedStore(deps.store, backedUpPrefixes, () => touched());
    const stored = await loadOwnAccount(store, deps.crypto);
    const isNew = stored.identity.enrolment?.registered !== true;
    const recoveryKey = isNew ? (deps.recover?.key ?? (await pendingRecovery(store))) : undefined;
    const client = new TacitClient({ ...deps, store }, stored, await PeerBook.load(store), recoveryKey);
    touched = () => client.#device?.keeper.touch();
    await client.#records.load();
    if (client.isRegistered) await client.#load();
    return client;
  }

  get account(): string {
    return this.#own.enrolment.account;
  }
  get device(): string {
    return this.#own.identity.device;
  }
  get connection(): Client["connection"] {
    return this.#connection.state;
  }
  /** Resolves when others can invite this device: its key packages are out. */
  get reachable(): Promise<void> {
    return this.#isReachable.promise;
  }
  get isRegistered(): boolean {
    return this.#own.isRegistered;
  }

  get #enrolled(): EnrolledDevice {
    if (this.#device === undefined) throw new TacitError("offline", "this device has not been registered yet");
    return this.#device;
  }

  async conversation({ with: others }: { readonly with: readonly string[] }): Promise<Conversation> {
    const [peer] = others;
    if (others.length !== 1 || peer === undefined || peer === this.account) {
      throw new TacitError("invalid_argument", "conversation: name one other account");
    }
    requireAccount("conversation", peer);
    const id = directConversationId(this.#deps.crypto.provider, this.account, peer);
    await this.#enrolled.book.settled(id);
    const known = this.#enrolled.book.get(id);
    if (known === undefined && this.#peers.isBlocked(peer)) throw identityChanged();
    return this.#opened(known === undefined ? newConversation(id, [this.account, peer]) : known);
  }

  async createGroup(options: Parameters<Client["createGroup"]>[0]): Promise<Conversation> {
    const others = invitedTo(options, this.account);
    if (others.some((account) => this.#peers.isBlocked(account))) throw identityChanged();
    const { conversationDeps } = this.#enrolled;
    const { picture } = options;
    const stored = picture === undefined ? undefined : await storePicture(conversationDeps, picture);
    return this.#opened(wantedGroup(conversationDeps.context(), options, others, stored));
  }

  /** Shown at once; with a connection, when it stands. */
  async #opened(wanted: ConversationState | LiveConversation): Promise<Conversation> {
    const isNew = !(wanted instanceof LiveConversation);
    const conversation = isNew ? await this.#enrolled.book.start(wanted) : wanted;
    if (isNew) this.#notices.tell("conversation", conversation);
    // Whoever asks for it wants it.
    else await conversation.accept();
    await unlessOffline(this.#connection.state, conversation.opened());
    return conversation;
  }

  conversations(): readonly Conversation[] {
    return this.#device?.book.all() ?? [];
  }

  on<E extends keyof ClientEvents>(event: E, listener: (value: ClientEvents[E]) => void): () => void {
    return this.#notices.on(event, listener);
  }

  caughtUp(): Promise<void> {
    this.#connection.freshen();
    return untilOnline(this.#connection.state);
  }

  async acceptIdentity(account: string): Promise<void> {
    // Where it showed another key by itself, that one is meant, and groups go on with the one before; else what groups show.
    const before = this.#peers.isBlocked(account) ? this.#peers.get(account)?.pinned : undefined;
    await this.#peers.accept(account);
    for (const conversation of this.#device?.book.all() ?? []) await conversation.acceptKeysOf(account, before);
  }

  contact(account: string): Contact | undefined {
    return this.#contacts.contact(account);
  }
  safetyNumber(account: string): Promise<SafetyNumber> {
    return this.#contacts.safetyNumber(account);
  }
  async verify(account: string, scanned: string): Promise<boolean> {
    const isSame = await this.#contacts.verify(account, scanned);
    if (isSame) for (const conversation of this.#device?.book.all() ?? []) conversation.goOn();
    return isSame;
  }
  block(account: string): Promise<void> {
    return this.#peers.shun(account);
  }
  unblock(account: string): Promise<void> {
    return this.#peers.unshun(account);
  }

  get backup(): Observable<BackupHealth> {
    return this.#enrolled.keeper.health;
  }
  backupNow(): Promise<void> {
    return this.#enrolled.keeper.backupNow();
  }
  createRecoveryCode(show?: (code: string) => void | Promise<void>): Promise<string> {
    return this.#enrolled.keeper.createRecoveryCode(show);
  }

  devices(): readonly Device[] {
    return this.#own.devices.current;
  }
  linkDevice(code: string, options?: { readonly name?: string }): Promise<Device> {
    return this.#own.linkDevice(code, options);
  }
  revokeDevice(id: string): Promise<void> {
    return this.#own.revokeDevice(id);
  }
  renameDevice(id: string, name: string): Promise<void> {
    return this.#own.renameDevice(id, name);
  }

  /** The new device that shows a code does not want to be linked any more. */
  async cancelLinking(): Promise<void> {
    this.#connection.close(new TacitError("link_cancelled", "linking was cancelled"));
    await this.#own.cancelLinking();
  }

  goOffline(): void {
    this.#connection.stop();
  }
  goOnline(): void {
    this.#connection.start();
  }
  hint(hint: DeviceHint): void {
    this.#connection.hint(hint);
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#connection.close();
    this.#own.close();
    this.#device?.house.stop();
    this.#device?.restoration.close();
    const read = this.#device?.inbox.close();
    await this.#device?.keeper.close();
    await this.#records.settled();
    await this.#device?.book.close();
    await read;
    await this.#deps.store.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #protocols(now: number): Promise<readonly string[]> {
    const token = await this.#token();
    const { url, crypto } = this.#deps;
    return connectProtocols(crypto.provider, { url, token, deviceKey: this.#own.identity.deviceKey, now });
  }

  async #welcomed(hello: Hello, socket: RelaySocket): Promise<"use" | "again"> {
    const expected = (this.isRegistered ? this.account : undefined) ?? this.#deps.account;
    if (expected !== undefined && expected !== hello.account) {
      throw new TacitError("account_mismatch", "the token is of another account than this store");
    }
    if (hello.device !== this.device) throw new TacitError("internal", "the relay calls this device otherwise");
    const verdict = await this.#own.welcomed(hello, socket);
    if (verdict === "use" && this.#device === undefined) await this.#load();
    return verdict;
  }

  async #load(): Promise<void> {
    this.#device = await loadEnrolledDevice({
      ...this.#deps,
      connection: this.#connection,
      peers: this.#peers,
      records: this.#records,
      own: this.#own,
      notices: this.#notices,
    });
  }

  async #catchUp(): Promise<void> {
    await this.#own.catchUp();
    const { house, inbox, keeper, restoration } = this.#enrolled;
    // First of all: until then nobody can invite this device.
    await house.stock();
    this.#isReachable.resolve();
    await restoration.restore();
    await inbox.read();
    await house.dropOutdated();
    const unread = await house.readLogs();
    await this.#own.reachable();
    await house.keepUp();
    house.checkHeadsLater();
    this.#records.followAll();
    keeper.connected();
    restoration.finishSoon();
    if (unread !== undefined) throw unread;
  }

  /** Before it is known whose device this is, nothing is rung that catching up would not read. */
  #rung(push: Push): void {
    if (this.#device === undefined) return;
    const { book, inbox } = this.#device;
    switch (push.push) {
      case "entries": {
        const known = book.inLog(push.conversation);
        // The ring for its Welcome was lost.
        if (known === undefined) inbox.ring();
        else known.ring(push);
        return;
      }
      case "inbox":
        return inbox.ring();
      case "signal":
        book
          .inLog(push.conversation)
          ?.receiveSignal(decodeBase64Url(push.payload))
          .catch(() => this.#deps.logger.warn("signal failed", {}));
        return;
      case "bye":
        return;
    }
  }

  #self(): Person {
    const { account, accountKey } = this.#own.current;
    return { account, accountKey: decodeBase64Url(accountKey) };
  }
}
