/** The shell: one device, its connection, its conversations. */
import { decodeBase64Url, type Answer, type InboxItem, type Push } from "@tacit/protocol";
import type { Client, ClientEvents, Conversation } from "./api.ts";
import { claimKeyPackages } from "./claimKeyPackages.ts";
import { Connection, type Hello } from "./connection.ts";
import { TacitError } from "./errors.ts";
import { LiveConversation, type LiveDeps } from "./liveConversation.ts";
import { listenerSet, type ListenerSet } from "./observable.ts";
import { received } from "./payloads.ts";
import { PeerBook } from "./peerBook.ts";
import type { BlobTransfer, Clock, DeviceHint, DeviceHints, Logger, Transport } from "./ports.ts";
import { LostAnswer, Refused, type RelaySocket } from "./relaySocket.ts";
import type { SealedStore } from "./sealedStore.ts";
import { uniformOf } from "./session/backoff.ts";
import {
  directConversationId,
  newConversation,
  silent,
  type ConversationState,
  type SessionContext,
} from "./session/conversation.ts";
import { changes, conversationPrefix, decodeConversation, timelinePrefix } from "./session/conversationStore.ts";
import type { CryptoContext } from "./session/cryptoContext.ts";
import {
  createIdentity,
  decodeIdentity,
  encodeIdentity,
  enrol,
  type Enrolment,
  type Identity,
} from "./session/identity.ts";
import { decodeKeyPackageItem, keyPackageKey } from "./session/keyPackages.ts";
import { joinByWelcome } from "./session/opening.ts";
import { connectProtocols } from "./session/proof.ts";
import { stockKeyPackages } from "./stockKeyPackages.ts";
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
  readonly hints?: DeviceHints | undefined;
  readonly restAfter?: number | undefined;
}

const identityKey = "identity";
/** Even a device that is never rung looks at its logs this often: milliseconds, jittered. */
const headCheckInterval = 15 * 60_000;
const parallelReads = 4;

type Enrolled = Identity & { readonly enrolment: Enrolment };

export class TacitClient implements Client {
  readonly #deps: ClientDeps;
  readonly #connection: Connection;
  readonly #token: () => Promise<string>;
  readonly #peers: PeerBook;
  readonly #conversations = new Map<string, LiveConversation>();
  readonly #listeners: { readonly [E in keyof ClientEvents]: ListenerSet<ClientEvents[E]> } = {
    conversation: listenerSet(),
    identityChanged: listenerSet(),
    failure: listenerSet(),
  };
  #identity: Identity;
  #live: LiveDeps | undefined;
  #inbox: Promise<void> | undefined;
  #inboxAgain = false;
  #cancelHeadCheck: (() => void) | undefined;
  #closing: Promise<void> | undefined;
  /** Conversations that are being deleted from the store. */
  readonly #forgetting = new Map<string, Promise<void>>();

  private constructor(deps: ClientDeps, identity: Identity, peers: PeerBook) {
    this.#deps = deps;
    this.#identity = identity;
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
      isBusy: () => [...this.#conversations.values()].some((conversation) => conversation.outgoing().length > 0),
      protocols: (now) => this.#protocols(now),
      welcomed: (hello, socket) => this.#welcomed(hello, socket),
      catchUp: () =>
        this.#catchUp().catch((error: unknown) => {
          this.#report(error);
          throw error;
        }),
      push: (push) => this.#receive(push),
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

  async conversation({ with: others }: { readonly with: readonly string[] }): Promise<Conversation> {
    const [peer] = others;
    if (others.length !== 1 || peer === undefined || peer === this.account) {
      throw new TacitError("invalid_argument", "conversation: name one other account");
    }
    if (!/^[\x21-\x7e]{1,128}$/.test(peer)) throw new TacitError("invalid_argument", "conversation: no account's name");
    const id = directConversationId(this.#deps.crypto.provider, this.account, peer);
    await this.#forgetting.get(id);
    const known = this.#conversations.get(id);
    if (known === undefined && this.#peers.isBlocked(peer)) throw identityChanged();
    const conversation = known ?? (await this.#start(id, [this.account, peer]));
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

  async #start(id: string, roster: readonly string[]): Promise<LiveConversation> {
    const state = newConversation(id, roster);
    const conversation = this.#adopt(state, undefined);
    await conversation.take(() => silent(state), changes(undefined, silent(state)));
    this.#listeners.conversation.emit(conversation);
    return conversation;
  }

  conversations(): readonly Conversation[] {
    return [...this.#conversations.values()];
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
    await this.#peers.accept(account);
    for (const conversation of this.#conversations.values()) conversation.run();
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
    this.#cancelHeadCheck?.();
    await Promise.all([...this.#conversations.values()].map((conversation) => conversation.close()));
    await this.#inbox?.catch(() => {});
    await Promise.all(this.#forgetting.values());
    await this.#deps.store.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #protocols(now: number): Promise<readonly string[]> {
    const token = await this.#token();
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

  /** Brings up the conversations, as soon as it is known whose device this is. */
  async #load(identity: Enrolled): Promise<void> {
    const { crypto, store } = this.#deps;
    const { enrolment, signatureKeys, device } = identity;
    const signatureKey = signatureKeys.get(crypto.suite.id);
    if (signatureKey === undefined) throw new TacitError("store_corrupt", "the store lacks a key");
    const context: SessionContext = {
      ...crypto,
      account: enrolment.account,
      device,
      member: { certificate: enrolment.certificate, signatureKey },
      recordVersion: enrolment.recordVersion,
    };
    const shared = {
      ...this.#deps,
      connection: this.#connection,
      peers: this.#peers,
      identityChanged: (account: string) => this.#listeners.identityChanged.emit({ account }),
    };
    this.#live = {
      ...shared,
      context,
      claim: (account) => claimKeyPackages({ ...shared, provider: crypto.provider }, account),
      readInbox: () => this.#readInbox(),
      failed: (error) => this.#listeners.failure.emit(error),
      abandoned: (conversation) => this.#abandon(conversation),
    };
    const byConversation = new Map<string, Map<string, Uint8Array>>();
    for (const [key, value] of await store.scan(conversationPrefix)) {
      const [, id = "", ...rest] = key.split("/");
      let pairs = byConversation.get(id);
      if (pairs === undefined) byConversation.set(id, (pairs = new Map()));
      pairs.set(rest.join("/"), value);
    }
    for (const [id, pairs] of byConversation) {
      try {
        const state = decodeConversation(crypto, id, pairs);
        this.#adopt(state, state);
      } catch (cause) {
        throw new TacitError("store_corrupt", "a stored conversation cannot be read", { cause });
      }
    }
  }

  #adopt(state: ConversationState, stored: ConversationState | undefined): LiveConversation {
    if (this.#live === undefined) throw new TacitError("offline", "this device has not been registered yet");
    const conversation = new LiveConversation(this.#live, state, stored);
    this.#conversations.set(state.id, conversation);
    return conversation;
  }

  /** Forgets a conversation that could not be opened. */
  #abandon(conversation: LiveConversation): void {
    const { id } = conversation;
    this.#conversations.delete(id);
    const forgotten = this.#forget(conversation)
      .catch((error: unknown) => this.#listeners.failure.emit(translate(error)))
      .finally(() => this.#forgetting.delete(id));
    this.#forgetting.set(id, forgotten);
  }

  async #forget(conversation: LiveConversation): Promise<void> {
    await conversation.close();
    const { store } = this.#deps;
    const prefixes = [`${conversationPrefix}${conversation.id}/`, timelinePrefix(conversation.id)];
    const stored = await Promise.all(prefixes.map((prefix) => store.scan(prefix)));
    await store.commit(stored.flat().map(([key]) => ({ key })));
  }

  #receive(push: Push): void {
    switch (push.push) {
      case "entries": {
        const known = this.#conversations.get(push.conversation);
        // The ring for its Welcome was lost.
        if (known === undefined) this.#readInboxSoon();
        else known.ring(push);
        return;
      }
      case "inbox":
        this.#readInboxSoon();
        return;
      case "signal":
        this.#conversations
          .get(push.conversation)
          ?.receiveSignal(decodeBase64Url(push.payload))
          .catch(() => this.#deps.logger.warn("signal failed", {}));
        return;
      case "bye":
        return;
    }
  }

  async #catchUp(): Promise<void> {
    await this.#readInbox();
    const unread = await this.#readLogs();
    if (this.#live !== undefined) await stockKeyPackages(this.#live);
    this.#checkHeadsLater();
    if (unread !== undefined) throw unread;
  }

  /** All of them, whatever happens to one; the answer is why one was not read to its end. */
  async #readLogs(): Promise<Error | undefined> {
    const waiting = [...this.#conversations.values()];
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
      void this.#readLogs().then(() => this.#checkHeadsLater());
    });
  }

  #readInboxSoon(): void {
    this.#readInbox().catch((error: unknown) => this.#report(error));
  }

  /** What is more than a network that is down or a relay that is busy. */
  #report(error: unknown): void {
    if (!(error instanceof LostAnswer || error instanceof Refused)) this.#listeners.failure.emit(translate(error));
  }

  /** One reading at a time; a ring in between makes another. */
  #readInbox(): Promise<void> {
    this.#inboxAgain = true;
    return (this.#inbox ??= this.#readWholeInbox().finally(() => (this.#inbox = undefined)));
  }

  async #readWholeInbox(): Promise<void> {
    while (this.#inboxAgain) {
      this.#inboxAgain = false;
      let after: string | undefined;
      do {
        const page: Answer<"readInbox"> = await this.#connection.request(
          "readInbox",
          after === undefined ? {} : { after },
        );
        const done: string[] = [];
        for (const item of page.items) {
          await this.#join(item);
          done.push(item.id);
        }
        if (done.length > 0) await this.#connection.request("acknowledgeInbox", { ids: done });
        if (page.next !== undefined && after !== undefined && page.next <= after) {
          throw new LostAnswer("the pages of the inbox do not advance");
        }
        after = page.next;
      } while (after !== undefined);
    }
  }

  /**
   * Stores what the item brings. Whoever can send an invitation must not be able to block the ones behind it: what cannot be used
   * is reported and passed over.
   * @throws LostAnswer, Refused, TacitError of the store, where it has to stay in the inbox
   */
  async #join(item: InboxItem): Promise<void> {
    try {
      await this.#joinBy(item);
    } catch (error) {
      const isOfItem = error instanceof TacitError && error.code === "cannot_follow";
      if (error instanceof LostAnswer || error instanceof Refused || (error instanceof TacitError && !isOfItem)) {
        throw error;
      }
      const cause = { cause: error };
      this.#listeners.failure.emit(
        isOfItem ? error : new TacitError("cannot_follow", "an invitation cannot be opened", cause),
      );
    }
  }

  async #joinBy(item: InboxItem): Promise<void> {
    const { store, crypto, blobs } = this.#deps;
    const live = this.#live;
    if (live === undefined) throw new LostAnswer("this device is not registered");
    const { conversation: id, seq, turn, at } = item;
    await this.#forgetting.get(id);
    const stored = await store.get(keyPackageKey(item.keyPackage));
    const welcome = await received({ connection: this.#connection, blobs, provider: crypto.provider }, item.payload);
    if (stored === undefined || welcome === undefined) {
      // A copy of a Welcome that was used comes here too: then the conversation is known.
      if (this.#conversations.has(id)) return;
      throw new TacitError("cannot_follow", "an invitation's key is not on this device");
    }
    const keyPackage = decodeKeyPackageItem(item.keyPackage, stored);
    const used = keyPackage.lastResort ? [] : [{ key: keyPackageKey(keyPackage.hash) }];
    const invitation = { conversation: id, seq, turn, at, welcome, keyPackage };
    const known = this.#conversations.get(id);
    const conversation = known ?? this.#provisional(id);
    let joined = false;
    await conversation.take(async (state) => {
      const outcome = await joinByWelcome(live.context, known && state, invitation);
      if (outcome.kind === "foreign") throw new TacitError("cannot_follow", "an invitation is not what it says it is");
      if (outcome.kind === "member") return undefined;
      joined = true;
      return outcome.step;
    }, used);
    if (!joined) return;
    if (known === undefined) {
      this.#conversations.set(id, conversation);
      this.#listeners.conversation.emit(conversation);
    }
    conversation.run();
  }

  /** Not known yet, not stored yet: a place for the steps of joining. */
  #provisional(id: string): LiveConversation {
    if (this.#live === undefined) throw new LostAnswer("this device is not registered");
    return new LiveConversation(this.#live, newConversation(id, [this.account]), undefined);
  }

  start(): void {
    this.#connection.start();
  }
}
