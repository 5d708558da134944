/** The shell: one device, its connection, its conversations. */
import { decodeBase64Url, encodeBase64Url, type InboxItem, type Push } from "@tacit/protocol";
import { accountRecordOf, type RecordDeps } from "./accountRecords.ts";
import type { Client, ClientEvents, Conversation } from "./api.ts";
import { claimKeyPackages } from "./claimKeyPackages.ts";
import { Connection, type Hello } from "./connection.ts";
import { ConversationBook } from "./conversationBook.ts";
import type { ConversationDeps } from "./conversationDeps.ts";
import { TacitError } from "./errors.ts";
import { Inbox } from "./inbox.ts";
import { LiveConversation } from "./liveConversation.ts";
import { listenerSet, type ListenerSet } from "./observable.ts";
import { received } from "./payloads.ts";
import { PeerBook } from "./peerBook.ts";
import { storePicture } from "./picture.ts";
import type { BlobTransfer, Clock, Logger, Transport } from "./ports.ts";
import { LostAnswer, Refused, type RelaySocket } from "./relaySocket.ts";
import type { SealedStore } from "./sealedStore.ts";
import { uniformOf } from "./session/backoff.ts";
import {
  directConversationId,
  newConversation,
  type ConversationState,
  type SessionContext,
} from "./session/conversation.ts";
import type { CryptoContext } from "./session/cryptoContext.ts";
import { longestTitle, plainData } from "./session/groupData.ts";
import {
  createIdentity,
  decodeIdentity,
  encodeIdentity,
  enrol,
  type Enrolment,
  type Identity,
} from "./session/identity.ts";
import { newIntent, withIntent } from "./session/intents.ts";
import { connectProtocols } from "./session/proof.ts";
import { createRepairRequest, isToBeReadmitted, openRepairRequest } from "./session/repairRequest.ts";
import { stockKeyPackages } from "./stockKeyPackages.ts";
import { takeWelcome } from "./takeWelcome.ts";
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
}

const identityKey = "identity";
/** Even a device that is never rung looks at its logs this often: milliseconds, jittered. */
const headCheckInterval = 15 * 60_000;
const parallelReads = 4;
/** Members whom the commit that creates a group adds itself; more are invited after it. */
const membersAtOnce = 25;
/** How long somebody who asks to be put in anew waits until this device does it, unless another was faster: milliseconds. */
const readmissionDelay = { own: 1_000, others: 5_000 };

/** What there is once it is known whose device this is. */
interface Loaded {
  readonly deps: Omit<ConversationDeps, "moved" | "abandoned">;
  readonly book: ConversationBook;
}

type Enrolled = Identity & { readonly enrolment: Enrolment };

export class TacitClient implements Client {
  readonly #deps: ClientDeps;
  readonly #connection: Connection;
  readonly #peers: PeerBook;
  readonly #listeners: { readonly [E in keyof ClientEvents]: ListenerSet<ClientEvents[E]> } = {
    conversation: listenerSet(),
    identityChanged: listenerSet(),
    failure: listenerSet(),
  };
  readonly #inbox: Inbox;
  #identity: Identity;
  #enrolled: Loaded | undefined;
  #cancelHeadCheck: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  private constructor(deps: ClientDeps, identity: Identity, peers: PeerBook) {
    this.#deps = deps;
    this.#identity = identity;
    this.#peers = peers;
    const { crypto, transport, clock, url } = deps;
    this.#connection = new Connection({
      transport,
      clock,
      random: crypto.provider.random,
      url,
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
  }

  /** Loads what the store holds; makes a device where it is empty. */
  static async open(deps: ClientDeps): Promise<TacitClient> {
    const { store, crypto } = deps;
    const stored = await store.get(identityKey);
    const identity = stored === undefined ? await createIdentity(crypto) : decodeIdentity(stored);
    if (identity === undefined) throw new TacitError("store_corrupt", "the store is of another version");
    if (!identity.signatureKeys.has(crypto.suite.id)) {
      throw new TacitError("invalid_argument", "this store's device has no key for the suite");
    }
    if (stored === undefined) await store.commit([{ key: identityKey, value: encodeIdentity(identity) }]);
    const client = new TacitClient(deps, identity, await PeerBook.load(store));
    if (identity.enrolment !== undefined) await client.#load(identity as Enrolled);
    return client;
  }

  get account(): string {
    return this.#enrolment.account;
  }
  get device(): string {
    return this.#identity.device;
  }
  get connection(): Client["connection"] {
    return this.#connection.state;
  }
  get isRegistered(): boolean {
    return this.#identity.enrolment?.registered === true;
  }

  get #enrolment(): Enrolment {
    const { enrolment } = this.#identity;
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
    await this.#book.forgotten(id);
    const known = this.#book.get(id);
    if (known === undefined && this.#peers.isBlocked(peer)) throw identityChanged();
    return this.#opened(known === undefined ? newConversation(id, [this.account, peer]) : known);
  }

  async createGroup({ title = "", picture, members }: Parameters<Client["createGroup"]>[0]): Promise<Conversation> {
    if (title.length > longestTitle) {
      throw new TacitError("invalid_argument", `createGroup: a title has at most ${longestTitle} characters`);
    }
    const others = [...new Set(members)].filter((account) => account !== this.account);
    for (const account of others) {
      requireAccount("createGroup", account);
      if (this.#peers.isBlocked(account)) throw identityChanged();
    }
    const { deps } = this.#requireEnrolled();
    const id = `g-${encodeBase64Url(this.#deps.crypto.provider.random(16))}`;
    const stored = picture === undefined ? undefined : await storePicture({ ...deps, ...noBook }, picture);
    const data = { ...plainData, title, picture: stored, owners: [this.account] };
    const atOnce = others.length <= membersAtOnce ? others : [];
    const state = newConversation(id, [this.account, ...atOnce], data);
    const invitation = { kind: "invite", accounts: others, claimed: [] } as const;
    return this.#opened(
      others.length === atOnce.length ? state : withIntent(state, newIntent(deps.context(), invitation)),
    );
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
    await this.#peers.accept(account);
    for (const conversation of this.#enrolled?.book.all() ?? []) conversation.run();
  }

  goOffline(): void {
    this.#connection.stop();
  }
  goOnline(): void {
    this.#connection.start();
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#connection.close();
    this.#cancelHeadCheck?.();
    await this.#enrolled?.book.close();
    await this.#inbox.idle();
    await this.#deps.store.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #protocols(now: number): Promise<readonly string[]> {
    let token: string;
    try {
      token = await this.#deps.token();
    } catch (cause) {
      throw new TacitError("token_failed", "the token callback failed", { cause });
    }
    const { url, crypto } = this.#deps;
    return connectProtocols(crypto.provider, { url, token, deviceKey: this.#identity.deviceKey, now });
  }

  async #welcomed(hello: Hello, socket: RelaySocket): Promise<"use" | "again"> {
    const expected = this.#identity.enrolment?.account ?? this.#deps.account;
    if (expected !== undefined && expected !== hello.account) {
      throw new TacitError("account_mismatch", "the token is of another account than this store");
    }
    if (hello.device !== this.#identity.device)
      throw new TacitError("internal", "the relay calls this device otherwise");
    if (hello.scope === "register") {
      await this.#register(hello, socket);
      return "again";
    }
    if (!this.isRegistered) await this.#nowRegistered();
    return "use";
  }

  async #register(hello: Hello, socket: RelaySocket): Promise<void> {
    if (this.isRegistered) throw new TacitError("device_not_linked", "the relay does not know this device any more");
    if (this.#identity.enrolment === undefined) {
      const { provider } = this.#deps.crypto;
      await this.#save(await enrol(provider, this.#identity, hello.account, hello.serverTime));
    }
    try {
      // The very same record each time, so that a lost answer does no harm.
      await socket.request("putAccount", { record: this.#enrolment.record });
    } catch (error) {
      if (error instanceof Refused && error.refusal.code === "record_conflict") {
        throw new TacitError("device_not_linked", "the account exists already, and this device is not part of it");
      }
      throw error;
    }
  }

  async #nowRegistered(): Promise<void> {
    const { enrolment } = this.#identity;
    if (enrolment === undefined) throw new TacitError("internal", "the relay knows a device that was never registered");
    const registered = { ...this.#identity, enrolment: { ...enrolment, registered: true } };
    await this.#save(registered);
    await this.#load(registered);
  }

  async #save(identity: Identity): Promise<void> {
    await this.#deps.store.commit([{ key: identityKey, value: encodeIdentity(identity) }]);
    this.#identity = identity;
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
    const identityChanged = (account: string): void => this.#listeners.identityChanged.emit({ account });
    const shared = { ...this.#deps, connection: this.#connection, peers: this.#peers, identityChanged };
    const records: RecordDeps = { ...shared, provider };
    const deps: Omit<ConversationDeps, "moved" | "abandoned"> = {
      ...shared,
      context: () => this.#context(),
      claim: (account, devices) => claimKeyPackages(records, account, devices),
      devicesOf: async (account) => (await accountRecordOf(records, account)).devices.map(({ device }) => device),
      repairRequest: (conversation, at) => {
        const { certificate } = this.#enrolment;
        const { deviceKey } = this.#identity;
        return createRepairRequest(provider, { certificate, deviceKey }, { conversation, at });
      },
      readInbox: () => this.#inbox.read(),
      failed: (error) => this.#listeners.failure.emit(error),
    };
    const book = new ConversationBook(deps);
    await book.load(crypto);
    this.#enrolled = { deps, book };
  }

  #context(): SessionContext {
    const { crypto } = this.#deps;
    const { signatureKeys, device } = this.#identity;
    const { account, certificate, recordVersion } = this.#enrolment;
    const signatureKey = signatureKeys.get(crypto.suite.id)!;
    return { ...crypto, account, device, member: { certificate, signatureKey }, recordVersion };
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
    await this.#inbox.read();
    const unread = await this.#readLogs();
    const { deps } = this.#requireEnrolled();
    await stockKeyPackages({ ...deps, context: deps.context() });
    await this.#keepUp();
    this.#checkHeadsLater();
    if (unread !== undefined) throw unread;
  }

  /** All of them, whatever happens to one; the answer is why one was not read to its end. */
  async #readLogs(): Promise<Error | undefined> {
    const waiting = [...this.#requireEnrolled().book.all()];
    let unread: Error | undefined;
    const readers = Array.from({ length: parallelReads }, async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        unread = (await next.catchUp()) ?? unread;
      }
    });
    await Promise.all(readers);
    return unread;
  }

  #checkHeadsLater(): void {
    const { clock, crypto } = this.#deps;
    this.#cancelHeadCheck?.();
    const delay = headCheckInterval * (0.8 + 0.4 * uniformOf(crypto.provider.random));
    this.#cancelHeadCheck = clock.after(delay, () => {
      if (!this.#connection.isUp) return;
      // What was not read is tried again when its conversation runs again, at the latest after the next connect.
      void this.#readLogs()
        .then(() => this.#keepUp())
        .catch((error: unknown) => this.#report(error))
        .then(() => this.#checkHeadsLater());
    });
  }

  /** What nobody asks for: renewed keys, and the own devices in all conversations. */
  async #keepUp(): Promise<void> {
    const { deps, book } = this.#requireEnrolled();
    const own = await deps.devicesOf(this.account);
    for (const conversation of book.all()) {
      await conversation.reconcile(own);
      await conversation.renewIfDue();
    }
  }

  #readInboxSoon(): void {
    this.#inbox.read().catch((error: unknown) => this.#report(error));
  }

  /** What is more than a network that is down or a relay that is busy. */
  #report(error: unknown): void {
    if (!(error instanceof LostAnswer || error instanceof Refused)) this.#listeners.failure.emit(translate(error));
  }

  async #take(item: InboxItem): Promise<void> {
    const { deps, book } = this.#requireEnrolled();
    if (item.kind === "welcome") {
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
    if (payload !== undefined) await this.#considerRepair(payload);
  }

  /** Somebody asks to be put in anew. Another device may be faster; this one looks again when it is its turn. */
  async #considerRepair(payload: Uint8Array): Promise<void> {
    const { clock, crypto } = this.#deps;
    const request = await openRepairRequest(crypto.provider, payload);
    const conversation = request && this.#requireEnrolled().book.inLog(request.conversation);
    if (request === undefined || conversation === undefined) return;
    const isNeeded = (): boolean =>
      conversation.snapshot.log === request.conversation &&
      isToBeReadmitted(conversation.snapshot, request, this, this.#connection.now());
    if (!isNeeded()) return;
    const { account, device } = request.certificate;
    const isOwn = account === this.account;
    const delay = (isOwn ? readmissionDelay.own : readmissionDelay.others) * uniformOf(crypto.provider.random);
    clock.after(delay, () => {
      if (!isNeeded()) return;
      conversation
        .intend({ kind: "readmit", account, device, since: request.at, claimed: [] })
        .catch((error: unknown) => this.#report(error));
    });
  }

  start(): void {
    this.#connection.start();
  }
}

/** For what is done before there is any conversation. */
const noBook = { moved: () => {}, abandoned: () => {} };

function requireAccount(verb: string, account: string): void {
  if (!/^[\x21-\x7e]{1,128}$/.test(account)) throw new TacitError("invalid_argument", `${verb}: no account's name`);
}
