/** The shell: one device, its connection, its conversations. */
import { decodeBase64Url, type InboxItem, type Push, type Signed } from "@tacit/protocol";
import { answerRepair } from "./answerRepair.ts";
import { backupSource } from "./backup/backupSource.ts";
import { Housekeeping } from "./housekeeping.ts";
import { invitedTo, requireAccount, wantedGroup } from "./wantedConversations.ts";
import { AccountRecords, type RelayEquivocation } from "./accountRecords.ts";
import type { Client, ClientEvents, Conversation, Device, LinkOptions, Observable } from "./api.ts";
import { BackupKeeper, type BackupHealth, type BackupTimes } from "./backup/backupKeeper.ts";
import { backedUpPrefixes } from "./backup/makeBackup.ts";
import { finishRecovery, pendingRecovery, recoveredIdentity, restoreBackup } from "./backup/recovery.ts";
import { restoredConversations, restoredState, withoutRestored } from "./backup/restored.ts";
import { claimKeyPackages } from "./claimKeyPackages.ts";
import { Contacts, type Contact } from "./contacts.ts";
import { Connection, type Hello } from "./connection.ts";
import { ConversationBook } from "./conversationBook.ts";
import type { ConversationDeps } from "./conversationDeps.ts";
import { deferred } from "./deferred.ts";
import { TacitError } from "./errors.ts";
import { archived } from "./historyHandOver.ts";
import { Inbox } from "./inbox.ts";
import { LiveConversation } from "./liveConversation.ts";
import { listenerSet, patientListenerSet, type ListenerSet } from "./observable.ts";
import { loadOwnAccount, type StoredAccount } from "./account/ownIdentity.ts";
import { OwnAccount } from "./ownAccount.ts";
import { received } from "./payloads.ts";
import { PeerBook } from "./peerBook.ts";
import { storePicture } from "./picture.ts";
import type { BlobTransfer, Clock, DeviceHint, DeviceHints, Logger, Transport } from "./ports.ts";
import { LostAnswer, Refused, type RelaySocket } from "./relaySocket.ts";
import { watchedStore, type SealedStore } from "./sealedStore.ts";
import { backoff, retryBackoff, uniformOf } from "./session/backoff.ts";
import {
  directConversationId,
  newConversation,
  type ConversationState,
  type HeardRecord,
  type SessionContext,
} from "./session/conversation.ts";
import type { CryptoContext } from "./session/cryptoContext.ts";
import type { ArchivedConversation } from "./session/historyArchive.ts";
import { type Enrolled, type Enrolment } from "./session/identity.ts";
import { connectProtocols } from "./session/proof.ts";
import { evidenceIn } from "./session/receipt.ts";
import type { Person, SafetyNumber } from "./session/safetyNumber.ts";
import { createRepairRequest } from "./session/repairRequest.ts";
import { takeWelcome } from "./takeWelcome.ts";
import { tokenSource } from "./tokenSource.ts";
import { identityChanged, translate } from "./translate.ts";

export interface ClientDeps {
  readonly url: string;
  readonly token: () => string | Promise<string>;
  readonly store: SealedStore;
  readonly crypto: CryptoContext;
  readonly transport: Transport;
  readonly blobs: BlobTransfer;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly account: string | undefined;
  readonly link: LinkOptions | undefined;
  /** base64url. */
  readonly receiptKey: string | undefined;
  readonly recover: RecoverDeps | undefined;
  readonly backup: BackupTimes | undefined;
  readonly hints?: DeviceHints | undefined;
  readonly restAfter?: number | undefined;
}

export interface RecoverDeps {
  /** Of the recovery code. */
  readonly key: Uint8Array;
  readonly onNewCode: ((code: string) => void | Promise<void>) | undefined;
}

/** What there is once it is known whose device this is. */
interface Loaded {
  readonly deps: Omit<ConversationDeps, "moved" | "abandoned">;
  readonly book: ConversationBook;
  readonly keeper: BackupKeeper;
  readonly house: Housekeeping;
}

export class TacitClient implements Client {
  readonly #deps: ClientDeps;
  readonly #connection: Connection;
  readonly #token: () => Promise<string>;
  readonly #peers: PeerBook;
  readonly #listeners: { readonly [E in keyof ClientEvents]: ListenerSet<ClientEvents[E]> } = {
    conversation: listenerSet(),
    identityChanged: listenerSet(),
    relayEquivocation: listenerSet(),
    devicesChanged: listenerSet(),
    // Some belong to the first connection, before `connect` has handed out the client.
    failure: patientListenerSet(16),
  };
  readonly #inbox: Inbox;
  readonly #own: OwnAccount;
  readonly #records: AccountRecords;
  readonly #contacts: Contacts;
  readonly #isReachable = deferred<void>();
  #isFinishing = false;
  /** Versions of the own record of which another was told. */
  readonly #contradicted = new Set<number>();
  #enrolled: Loaded | undefined;
  #closing: Promise<void> | undefined;
  #inboxFailures = 0;
  #cancelInboxRetry: (() => void) | undefined;

  private constructor(deps: ClientDeps, stored: StoredAccount, peers: PeerBook, recoveryKey: Uint8Array | undefined) {
    this.#deps = { ...deps, store: watchedStore(deps.store, backedUpPrefixes, () => this.#enrolled?.keeper.touch()) };
    this.#peers = peers;
    const { crypto, transport, clock, url, hints, restAfter } = deps;
    this.#token = tokenSource(clock, deps.token);
    this.#connection = new Connection({
      transport,
      clock,
      random: crypto.provider.random,
      url,
      hints,
      restAfter,
      isBusy: () => this.conversations().some((conversation) => conversation.outgoing().length > 0),
      protocols: (now) => this.#protocols(now),
      welcomed: (hello, socket) => this.#welcomed(hello, socket),
      catchUp: () =>
        this.#catchUp().catch((error: unknown) => {
          this.#report(error);
          throw error;
        }),
      push: (push) => this.#receive(push),
    });
    this.#inbox = new Inbox({
      connection: this.#connection,
      take: (item) => this.#take(item),
      failed: (error) => this.#listeners.failure.emit(error),
    });
    const { store } = this.#deps;
    const { provider } = crypto;
    this.#records = new AccountRecords({
      connection: this.#connection,
      store,
      peers,
      provider,
      own: () => this.#own.record.current,
      receiptKey: deps.receiptKey,
      identityChanged: (event) => this.#listeners.identityChanged.emit(event),
      equivocation: (event) => this.#listeners.relayEquivocation.emit(event),
      failed: (error) => this.#listeners.failure.emit(error),
    });
    this.#contacts = new Contacts({ peers, records: this.#records, provider, self: () => this.#self() });
    this.#own = new OwnAccount(
      {
        ...this.#deps,
        connection: this.#connection,
        readInbox: () => this.#inbox.read(),
        history: () => this.#history(),
        failed: (error) => this.#listeners.failure.emit(error),
        recovery: recoveryKey && {
          enter: (identity, hello, socket) => {
            const ask: RelaySocket["request"] = (operation, fields) => socket.request(operation, fields);
            const deps = { ask, provider, records: this.#records };
            return recoveredIdentity(deps, identity, hello.account, recoveryKey, hello.serverTime);
          },
        },
        checkReceipt: (record, receipt) => this.#records.checkReceipt(record, receipt),
        contradicted: (version, known, shown) => void this.#contradict(version, known, shown),
        reconcile: () => this.#enrolled?.house.keepUpSoon(),
        revoked: (error) => this.#connection.close(error),
      },
      stored,
    );
    this.#own.devices.subscribe((devices) => this.#listeners.devicesChanged.emit(devices));
  }

  /** Loads what the store holds; makes a device where it is empty. */
  static async open(deps: ClientDeps): Promise<TacitClient> {
    const { store, crypto } = deps;
    const stored = await loadOwnAccount(store, crypto);
    const isNew = stored.identity.enrolment?.registered !== true;
    const recoveryKey = isNew ? (deps.recover?.key ?? (await pendingRecovery(store))) : undefined;
    const client = new TacitClient(deps, stored, await PeerBook.load(store), recoveryKey);
    await client.#records.load();
    if (client.isRegistered) await client.#load(stored.identity as Enrolled);
    return client;
  }

  get account(): string {
    return this.#enrolment.account;
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

  get #enrolment(): Enrolment {
    const { enrolment } = this.#own.identity;
    if (enrolment === undefined) throw new TacitError("offline", "this device has not been registered yet");
    return enrolment;
  }

  get #book(): ConversationBook {
    if (this.#enrolled === undefined) throw new TacitError("offline", "this device has not been registered yet");
    return this.#enrolled.book;
  }

  async conversation({ with: others }: { readonly with: readonly string[] }): Promise<Conversation> {
    const [peer] = others;
    if (others.length !== 1 || peer === undefined || peer === this.account) {
      throw new TacitError("invalid_argument", "conversation: name one other account");
    }
    requireAccount("conversation", peer);
    const id = directConversationId(this.#deps.crypto.provider, this.account, peer);
    await this.#book.settled(id);
    const known = this.#book.get(id);
    if (known === undefined && this.#peers.isBlocked(peer)) throw identityChanged();
    return this.#opened(known === undefined ? newConversation(id, [this.account, peer]) : known);
  }

  async createGroup(options: Parameters<Client["createGroup"]>[0]): Promise<Conversation> {
    const others = invitedTo(options, this.account);
    if (others.some((account) => this.#peers.isBlocked(account))) throw identityChanged();
    const { deps } = this.#requireEnrolled();
    const { picture } = options;
    const stored = picture === undefined ? undefined : await storePicture(deps, picture);
    return this.#opened(wantedGroup(deps.context(), options, others, stored));
  }

  /** Shown at once; with a connection, when it stands. */
  async #opened(wanted: ConversationState | LiveConversation): Promise<Conversation> {
    const isNew = !(wanted instanceof LiveConversation);
    const conversation = isNew ? await this.#book.start(wanted) : wanted;
    if (isNew) this.#listeners.conversation.emit(conversation);
    // Whoever asks for it wants it.
    else await conversation.accept();
    await this.#unlessOffline(conversation.opened());
    return conversation;
  }

  /** Waits for `done` as long as there is a connection, or one on its way. */
  async #unlessOffline(done: Promise<void>): Promise<void> {
    let end = (): void => {};
    const offline = new Promise<void>((resolve) => {
      end = this.#connection.state.subscribe(({ status }) => {
        if (status === "offline" || status === "closed") resolve();
      });
    });
    await Promise.race([done, offline]).finally(end);
  }

  conversations(): readonly Conversation[] {
    return this.#enrolled?.book.all() ?? [];
  }

  on<E extends keyof ClientEvents>(event: E, listener: (value: ClientEvents[E]) => void): () => void {
    return this.#listeners[event].add(listener);
  }

  async caughtUp(): Promise<void> {
    this.#connection.freshen();
    const { state } = this.#connection;
    await new Promise<void>((resolve, reject) => {
      const end = state.subscribe((now) => {
        if (now.status !== "online" && now.status !== "closed") return;
        queueMicrotask(() => end());
        if (now.status === "online") resolve();
        else reject(now.reason ?? new TacitError("closed", "the client was closed"));
      });
    });
  }

  async acceptIdentity(account: string): Promise<void> {
    // Where it showed another key by itself, that one is meant, and groups go on with the one before; else what groups show.
    const before = this.#peers.isBlocked(account) ? this.#peers.get(account)?.pinned : undefined;
    await this.#peers.accept(account);
    for (const conversation of this.#enrolled?.book.all() ?? []) await conversation.acceptKeysOf(account, before);
  }

  contact(account: string): Contact | undefined {
    return this.#contacts.contact(account);
  }
  safetyNumber(account: string): Promise<SafetyNumber> {
    return this.#contacts.safetyNumber(account);
  }
  async verify(account: string, scanned: string): Promise<boolean> {
    const isSame = await this.#contacts.verify(account, scanned);
    if (isSame) for (const conversation of this.#enrolled?.book.all() ?? []) conversation.run();
    return isSame;
  }
  block(account: string): Promise<void> {
    return this.#peers.shun(account);
  }
  unblock(account: string): Promise<void> {
    return this.#peers.unshun(account);
  }

  get backup(): Observable<BackupHealth> {
    return this.#keeper.health;
  }
  backupNow(): Promise<void> {
    return this.#keeper.backupNow();
  }
  createRecoveryCode(show?: (code: string) => void | Promise<void>): Promise<string> {
    return this.#keeper.createRecoveryCode(show);
  }

  get #keeper(): BackupKeeper {
    if (this.#enrolled === undefined) throw new TacitError("offline", "this device has not been registered yet");
    return this.#enrolled.keeper;
  }

  #self(): Person {
    const record = this.#own.record.current;
    if (record === undefined) throw new TacitError("offline", "this device has not been registered yet");
    return { account: record.account, accountKey: decodeBase64Url(record.accountKey) };
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
    this.#enrolled?.house.stop();
    this.#cancelInboxRetry?.();
    await this.#enrolled?.keeper.close();
    await this.#records.settled();
    await this.#enrolled?.book.close();
    await this.#inbox.idle();
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
    const { identity } = this.#own;
    const expected = (this.isRegistered ? identity.enrolment?.account : undefined) ?? this.#deps.account;
    if (expected !== undefined && expected !== hello.account) {
      throw new TacitError("account_mismatch", "the token is of another account than this store");
    }
    if (hello.device !== identity.device) throw new TacitError("internal", "the relay calls this device otherwise");
    const verdict = await this.#own.welcomed(hello, socket);
    if (verdict === "use" && this.#enrolled === undefined) await this.#load(this.#own.identity as Enrolled);
    return verdict;
  }

  #requireEnrolled(): Loaded {
    if (this.#enrolled === undefined) throw new LostAnswer("this device is not registered");
    return this.#enrolled;
  }

  /** Brings up the conversations, as soon as it is known whose device this is. */
  async #load(identity: Enrolled): Promise<void> {
    const { crypto } = this.#deps;
    if (identity.signatureKeys.get(crypto.suite.id) === undefined) {
      throw new TacitError("store_corrupt", "the store lacks a key");
    }
    const { provider } = crypto;
    const shared = { ...this.#deps, connection: this.#connection, peers: this.#peers };
    const claims = { ...shared, records: this.#records };
    const deps: Omit<ConversationDeps, "moved" | "abandoned"> = {
      ...shared,
      context: () => this.#context(),
      claim: (account, devices) => claimKeyPackages(claims, account, devices),
      devicesOf: async (account) => (await this.#records.fetch(account)).devices.map(({ device }) => device),
      follow: (met) => this.#records.follow(met),
      heardOwn: (heard) => this.#heardOwn(heard),
      repairRequest: (body) => {
        const { certificate } = this.#enrolment;
        const { deviceKey } = this.#own.identity;
        return createRepairRequest(provider, { certificate, deviceKey }, body);
      },
      readInbox: () => this.#inbox.read(),
      failed: (error) => this.#listeners.failure.emit(error),
    };
    const book = new ConversationBook(deps);
    await book.load(crypto);
    const { clock, blobs, store, backup } = this.#deps;
    const times = backup === undefined ? {} : { times: backup };
    const source = backupSource(this.account, { own: this.#own, peers: this.#peers, records: this.#records, book });
    const keeper = await BackupKeeper.load({
      connection: this.#connection,
      clock,
      blobs,
      store,
      provider,
      source,
      ...times,
    });
    const house = new Housekeeping({
      conversation: deps,
      book,
      ownDevices: () => this.#own.record.current?.devices.map(({ device }) => device) ?? [],
      report: (error) => this.#report(error),
    });
    this.#enrolled = { deps, book, keeper, house };
  }

  /** What a backup brought, before anything is read; and the conversations in it, which this device enters anew. */
  async #restore(): Promise<void> {
    const { book, keeper } = this.#requireEnrolled();
    const { store, blobs, clock, crypto } = this.#deps;
    const { provider } = crypto;
    const failed = (error: TacitError): void => this.#listeners.failure.emit(error);
    const connection = this.#connection;
    const source = backupSource(this.account, { own: this.#own, peers: this.#peers, records: this.#records, book });
    await restoreBackup({ connection, blobs, store, provider, clock, source, peers: this.#peers, keeper, failed });
    for (const restored of await restoredConversations(store)) {
      const { id, log } = restored;
      const known = book.get(id) ?? book.inLog(log);
      if (known === undefined) this.#listeners.conversation.emit(await book.start(restoredState(restored)));
      await store.commit([withoutRestored(id)]);
    }
  }

  /** In the background: the application may take its time to show the code. */
  #finishRecovery(): void {
    const { keeper } = this.#requireEnrolled();
    const { store, recover } = this.#deps;
    if (this.#isFinishing) return;
    this.#isFinishing = true;
    finishRecovery({ store, keeper }, recover?.onNewCode)
      .catch((error: unknown) => {
        if (this.#closing === undefined) this.#report(error);
      })
      .finally(() => (this.#isFinishing = false));
  }

  /** Another device of the own account knows a newer record, or another one. */
  #heardOwn({ said, device }: HeardRecord): void {
    const record = this.#own.record.current;
    if (record === undefined || record.revoked.includes(device)) return;
    this.#own.heard(said.version).catch((error: unknown) => this.#report(error));
    if (said.version === record.version && said.hash !== record.hash) {
      void this.#contradict(said.version, this.#enrolment.receipt, undefined);
    }
  }

  async #contradict(version: number, known: Signed | undefined, shown: Signed | undefined): Promise<void> {
    if (this.#contradicted.has(version)) return;
    this.#contradicted.add(version);
    const { provider } = this.#deps.crypto;
    const evidence = known && shown && (await evidenceIn(provider, [known, shown]));
    const event: RelayEquivocation = {
      account: this.account,
      version,
      ...(known === undefined ? {} : { receipt: known }),
      ...(evidence === undefined ? {} : { evidence }),
    };
    this.#listeners.relayEquivocation.emit(event);
  }

  #context(): SessionContext {
    const { crypto } = this.#deps;
    const { signatureKeys, device } = this.#own.identity;
    const { account, certificate } = this.#enrolment;
    const signatureKey = signatureKeys.get(crypto.suite.id)!;
    const known = this.#own.record.current;
    if (known === undefined) throw new TacitError("internal", "who is in an account knows its record");
    const record = { version: known.version, hash: known.hash };
    return { ...crypto, account, device, member: { certificate, signatureKey }, record };
  }

  #receive(push: Push): void {
    switch (push.push) {
      case "entries": {
        const known = this.#enrolled?.book.inLog(push.conversation);
        // The ring for its Welcome was lost.
        if (known === undefined) this.#readInboxSoon();
        else known.ring(push);
        return;
      }
      case "inbox":
        this.#readInboxSoon();
        return;
      case "signal":
        this.#enrolled?.book
          .inLog(push.conversation)
          ?.receiveSignal(decodeBase64Url(push.payload))
          .catch(() => this.#deps.logger.warn("signal failed", {}));
        return;
      case "bye":
        return;
    }
  }

  async #catchUp(): Promise<void> {
    await this.#own.catchUp();
    const { keeper, house } = this.#requireEnrolled();
    // First of all: until then nobody can invite this device.
    await house.stock();
    this.#isReachable.resolve();
    await this.#restore();
    await this.#inbox.read();
    const unread = await house.readLogs();
    await this.#own.reachable();
    await house.keepUp();
    house.checkHeadsLater();
    this.#records.followAll();
    keeper.connected();
    this.#finishRecovery();
    if (unread !== undefined) throw unread;
  }

  /** What a device that is linked is given of the past. */
  #history(): Promise<readonly ArchivedConversation[]> {
    const wanted = this.#requireEnrolled()
      .book.all()
      .filter(({ snapshot }) => snapshot.requestBy === undefined);
    return Promise.all(
      wanted.map(({ id, snapshot, members, info }) =>
        archived(this.#deps.store, { id, log: snapshot.log, members, title: info.current.title }),
      ),
    );
  }

  /** What may pass is tried again: nobody rings twice for the same item. Without a connection, the next one starts with reading it. */
  #readInboxSoon(): void {
    this.#cancelInboxRetry?.();
    const { clock, crypto } = this.#deps;
    const house = (): Housekeeping => this.#requireEnrolled().house;
    this.#inbox
      .read()
      .then(() => {
        this.#inboxFailures = 0;
        return house().stockAfterWelcomes();
      })
      .catch((error: unknown) => {
        this.#report(error);
        const mayPass = error instanceof LostAnswer || (error instanceof Refused && error.refusal.retryable);
        if (!mayPass || this.#closing !== undefined || !this.#connection.isUp) return;
        this.#cancelInboxRetry?.();
        const delay = 1_000 + backoff(retryBackoff, this.#inboxFailures++, uniformOf(crypto.provider.random));
        const cancel = clock.after(delay, () => this.#readInboxSoon());
        this.#cancelInboxRetry = () => {
          cancel();
          this.#cancelInboxRetry = undefined;
        };
      });
  }

  /** What is more than a network that is down or a relay that is busy. */
  #report(error: unknown): void {
    if (!(error instanceof LostAnswer || error instanceof Refused)) this.#listeners.failure.emit(translate(error));
  }

  async #take(item: InboxItem): Promise<void> {
    const { deps, book, house } = this.#requireEnrolled();
    if (item.kind === "welcome") {
      house.countWelcome();
      return takeWelcome(
        {
          ...deps,
          book,
          isShunned: (account) => this.#peers.isShunned(account),
          arrived: (conversation) => this.#listeners.conversation.emit(conversation),
        },
        item,
      );
    }
    const payload = await received({ ...deps, provider: this.#deps.crypto.provider }, item.payload);
    if (payload === undefined || (await this.#own.receive(item, payload))) return;
    await answerRepair(deps, { book, report: (error) => this.#report(error) }, payload);
  }

  start(): void {
    this.#connection.start();
  }
}
