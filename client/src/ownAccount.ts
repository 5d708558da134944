/**
 * The shell around this device's own account: its record and the versions that follow, the devices in it, linking as the holder and as
 * the new device. Everything it changes is in the store before the relay hears of it, and repeated until the relay has it.
 */
import { encodeBase64Url, type Signed } from "@tacit/protocol";
import type { Device, LinkOptions, Observable } from "./api.ts";
import type { RecoveredIdentity } from "./backup/recovery.ts";
import type { Connection, Hello } from "./connection.ts";
import { deferred, type Deferred } from "./deferred.ts";
import { DeviceLinking, type Linked } from "./deviceLinking.ts";
import { TacitError } from "./errors.ts";
import { HeldOffers } from "./heldOffers.ts";
import { handOver, takenOver } from "./historyHandOver.ts";
import { subject, type Subject } from "./observable.ts";
import type { BlobTransfer, Clock } from "./ports.ts";
import { LostAnswer, Refused, type RelaySocket } from "./relaySocket.ts";
import type { SealedStore } from "./sealedStore.ts";
import { decodeAccountMessage, encodeAccountMessage } from "./session/accountMessage.ts";
import { certificateFor, succession, verifyRecord, type VerifiedRecord } from "./session/accountRecord.ts";
import { concat, fromUtf8, parseJson, sameBytes, utf8 } from "./session/bytes.ts";
import type { Change } from "./session/conversationStore.ts";
import { randomId, sha256, type CryptoContext, type CryptoProvider } from "./session/cryptoContext.ts";
import { isDeviceName, type DeviceNames } from "./session/deviceNames.ts";
import type { ArchivedConversation } from "./session/historyArchive.ts";
import {
  createIdentity,
  decodeIdentity,
  encodeIdentity,
  enrol,
  isHolder,
  migrated,
  newAccountSecret,
  type Enrolment,
  type Holder,
  type Identity,
} from "./session/identity.ts";
import { pskOf } from "./session/linkAnswer.ts";
import { parseLinkCode, type LinkCode } from "./session/linkCode.ts";
import { isOfferCurrent, isOfferFor, linkCodeLifetime, openOffer, type LinkOffer } from "./session/linkOffer.ts";
import {
  decodeHandedHistory,
  decodeTask,
  encodeHandedHistory,
  encodeTask,
  makeTask,
  namesOf,
  tidings,
  type AccountSend,
  type Intent,
  type RecordTask,
} from "./session/recordTask.ts";
import { openSecret } from "./session/renewedSecret.ts";
import { translate } from "./translate.ts";

export interface OwnAccountDeps {
  readonly store: SealedStore;
  readonly crypto: CryptoContext;
  readonly clock: Clock;
  readonly connection: Pick<Connection, "request" | "now">;
  readonly blobs: BlobTransfer;
  readonly link: LinkOptions | undefined;
  /** Where the account is to be recovered on this device. */
  readonly recovery: AccountRecovery | undefined;
  /** @throws TacitError where the relay's receipt is not for that record, or not of the relay; reported already */
  readonly checkReceipt: (record: VerifiedRecord, receipt: Signed) => Promise<void>;
  /** The relay showed another record of the version that is known. */
  readonly contradicted: (version: number, known: Signed | undefined, shown: Signed) => void;
  /** Looks into the inbox now; what it finds comes back by `receive`. */
  readonly readInbox: () => Promise<void>;
  /** What a device that is linked is given of the past. */
  readonly history: () => Promise<readonly ArchivedConversation[]>;
  readonly failed: (error: TacitError) => void;
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

/** What the store has of it. */
export interface StoredAccount {
  readonly identity: Identity;
  readonly record: VerifiedRecord | undefined;
  readonly task: RecordTask | undefined;
}

const identityKey = "identity";
const taskKey = "a/task";
const usedCodesKey = "a/used";
const historyKey = "a/history";
/** Set until a device that was linked has told the others that it can be reached. */
const announceKey = "a/announce";
const siblingPrefix = "a/sibling/";
const sendPrefix = "a/send/";

/** Milliseconds that the holder waits for the offer of the device whose code it was given: longer than that one takes to repeat it. */
const offerPatience = 95_000;
const inboxInterval = 5_000;
/** Longer than any code could be taken for a current one. */
const usedCodesKept = 6 * linkCodeLifetime;
/** How often history is asked for before this device goes on without it for now. */
const historyAttempts = 3;

/** Loads what the store holds; makes a device where it is empty. @throws TacitError `store_corrupt`, `invalid_argument` */
export async function loadOwnAccount(store: SealedStore, crypto: CryptoContext): Promise<StoredAccount> {
  const stored = await store.get(identityKey);
  const decoded = stored === undefined ? await createIdentity(crypto) : decodeIdentity(stored);
  if (decoded === undefined) throw new TacitError("store_corrupt", "the store is of another version");
  if (!decoded.signatureKeys.has(crypto.suite.id)) {
    throw new TacitError("invalid_argument", "this store's device has no key for the suite");
  }
  const identity = migrated(crypto.provider, decoded);
  if (stored === undefined || identity !== decoded) {
    await store.commit([{ key: identityKey, value: encodeIdentity(identity) }]);
  }
  const task = await store.get(taskKey);
  const { enrolment } = identity;
  const record = enrolment && (await verifyRecord(crypto.provider, enrolment.record, enrolment.account));
  if (enrolment !== undefined && record === undefined) {
    throw new TacitError("store_corrupt", "the store's account record does not hold");
  }
  return { identity, record, task: task && decodeTask(task) };
}

export class OwnAccount {
  /** The newest version that is known; undefined before this device is part of an account. */
  readonly record: Subject<VerifiedRecord | undefined>;
  readonly #devices: Subject<readonly Device[]>;
  readonly #deps: OwnAccountDeps;
  readonly #linking: DeviceLinking;
  readonly #offers: HeldOffers;
  #identity: Identity;
  /** The newest that could be read. */
  #names: DeviceNames | undefined;
  #task: RecordTask | undefined;
  /** Settles when the task's version is at the relay, or never will be. */
  #landing: Deferred<void> = deferred();
  /** Calls of `linkDevice` on their way, by their codes. */
  readonly #links = new Map<string, Promise<Device>>();
  #lastChange: Promise<unknown> = Promise.resolve();
  #last: Promise<unknown> = Promise.resolve();
  #delivery: Promise<void> | undefined;
  #historyFailures = 0;
  #isClosed = false;

  constructor(deps: OwnAccountDeps, { identity, record, task }: StoredAccount) {
    this.#deps = deps;
    this.#identity = identity;
    this.#task = task;
    this.record = subject(record);
    this.#devices = subject(this.#listed());
    this.#offers = new HeldOffers(deps.clock);
    const { store, crypto, clock, connection, link } = deps;
    this.#linking = new DeviceLinking({ store, crypto, clock, now: () => connection.now(), options: link });
  }

  get identity(): Identity {
    return this.#identity;
  }

  get isRegistered(): boolean {
    return this.#identity.enrolment?.registered === true;
  }

  get isHolder(): boolean {
    return isHolder(this.#identity);
  }

  /** The account's devices, the own one among them. */
  get devices(): Observable<readonly Device[]> {
    return this.#devices;
  }

  /**
   * The socket said hello: enters the account where this device is not part of it yet. A device of an account that has devices waits
   * here until it is linked.
   * @throws TacitError `device_not_linked`, `link_cancelled`; Refused, LostAnswer
   */
  async welcomed(hello: Hello, socket: RelaySocket): Promise<"use" | "again"> {
    const { enrolment } = this.#identity;
    if (hello.scope === "full") {
      if (this.isRegistered) return "use";
      if (enrolment === undefined) return this.#awaitAnswer(hello, socket);
      await this.#save({ ...this.#identity, enrolment: { ...enrolment, registered: true } });
      return "use";
    }
    if (this.isRegistered) throw notLinked("the relay does not know this device any more");
    if (enrolment === undefined && this.#deps.recovery !== undefined) {
      const { identity, changes } = await this.#deps.recovery.enter(this.#identity, hello, socket);
      await this.#save(identity, changes);
      return this.#putRecovered(socket);
    }
    if (enrolment !== undefined && this.#deps.recovery !== undefined) return this.#putRecovered(socket);
    if (enrolment === undefined && (await exists(hello.account, socket))) return this.#beLinked(hello, socket);
    const { provider } = this.#deps.crypto;
    if (enrolment === undefined) {
      await this.#save(await enrol(provider, this.#identity, hello.account, hello.serverTime));
    }
    try {
      // The very same record each time, so that a lost answer does no harm.
      await socket.request("putAccount", { record: this.#enrolment.record });
    } catch (error) {
      if (!isConflict(error)) throw error;
      return this.#beLinked(hello, socket);
    }
    return "again";
  }

  /** The record that takes the account over. Where the relay has another one by now, that of the recovery is made anew. */
  async #putRecovered(socket: RelaySocket): Promise<"again"> {
    try {
      await socket.request("putAccount", { record: this.#enrolment.record });
    } catch (error) {
      if (!isConflict(error)) throw error;
      const { enrolment: _, ...identity } = this.#identity;
      await this.#save({ ...identity, accountKey: undefined, accountSecret: undefined, secretSince: 0 });
      throw new LostAnswer("the account's record has gone on");
    }
    return "again";
  }

  /** Brings what waits to the relay, and the record up to date. @throws TacitError `device_revoked`; Refused, LostAnswer */
  async catchUp(): Promise<void> {
    await this.#alone(async () => {
      await this.#advance();
      await this.#refresh();
    });
    await this.#takeHistory();
    await this.#deliver();
  }

  /** This device has key packages out. The first time, the others are told, so that they put it into their conversations. */
  async reachable(): Promise<void> {
    await this.#alone(() => this.#announce());
    await this.#deliver();
  }

  async #announce(): Promise<void> {
    const { store, crypto } = this.#deps;
    const record = this.record.current;
    if (record === undefined || (await store.get(announceKey)) === undefined) return;
    const message = encodeAccountMessage({ kind: "accountRecord", version: record.version });
    const others = record.devices.filter(({ device }) => device !== this.#identity.device);
    const sends = others.map(({ device }) => ({ device, message }));
    await store.commit([{ key: announceKey }, ...(await this.#queued(sends, crypto.provider))]);
  }

  /** Somebody knows of `version` of this account's record. @throws as `catchUp` */
  async heard(version: number): Promise<void> {
    if (version <= (this.record.current?.version ?? 0)) return;
    await this.#alone(() => this.#refresh());
  }

  /**
   * A message from an inbox. Says whether it was one of these, whatever came of it.
   * @throws TacitError of the store; Refused, LostAnswer: it has to stay in the inbox
   */
  async receive(sender: { readonly account: string }, bytes: Uint8Array): Promise<boolean> {
    const message = decodeAccountMessage(bytes);
    if (message === undefined) return false;
    const { enrolment } = this.#identity;
    if (enrolment === undefined || sender.account !== enrolment.account) return true;
    switch (message.kind) {
      case "linkOffer":
        if (this.isHolder) this.#offers.add(message);
        break;
      case "linkAnswer":
        // A copy of the one that made this device what it is.
        break;
      case "accountRecord":
        if (message.secret !== undefined) await this.#takeSecret(message.secret);
        await this.heard(message.version);
        this.#deps.reconcile();
        break;
    }
    return true;
  }

  /**
   * Links the device that shows `code`. Resolves when the relay has the record with it; the device learns it from there, also after a
   * crash of this one.
   * @throws TacitError `link_code_invalid`, `link_expired`, `not_holder`, `invalid_argument`, `too_large`
   */
  async linkDevice(input: string, { name }: { readonly name?: string } = {}): Promise<Device> {
    this.#requireHolder();
    const { provider } = this.#deps.crypto;
    const code = parseLinkCode(provider, input);
    if (code === undefined) throw new TacitError("link_code_invalid", "linkDevice: not the code of a new device");
    if (name !== undefined && !isDeviceName(name)) throw badName();
    const key = codeKey(code, (bytes) => sha256(provider, bytes));
    let link = this.#links.get(key);
    if (link === undefined) {
      link = this.#link(code, key, name).finally(() => this.#links.delete(key));
      this.#links.set(key, link);
    }
    return link;
  }

  /**
   * Takes devices out of the account for good. Resolves when the relay has the record without them, and has closed their sockets.
   * @throws TacitError `not_holder`, `invalid_argument`
   */
  async revokeDevice(device: string): Promise<void> {
    this.#requireHolder();
    if (device === this.#identity.device) {
      throw new TacitError("invalid_argument", "revokeDevice: the holder is replaced by recovery");
    }
    const { record } = this;
    if (record.current?.revoked.includes(device) === true) return;
    this.#requireListed(device);
    const secret = newAccountSecret(this.#deps.crypto.provider);
    await this.#change({ kind: "revoke", devices: [device], secret });
  }

  /** @throws TacitError `not_holder`, `invalid_argument`, `too_large` */
  async renameDevice(device: string, name: string): Promise<void> {
    this.#requireHolder();
    if (!isDeviceName(name)) throw badName();
    this.#requireListed(device);
    await this.#change({ kind: "rename", device, name });
  }

  /** Makes the code worthless that this device shows. */
  cancelLinking(): Promise<void> {
    return this.#linking.cancel();
  }

  close(): void {
    this.#isClosed = true;
    this.#offers.close();
    this.#landing.reject(closed());
  }

  get #enrolment(): Enrolment {
    const { enrolment } = this.#identity;
    if (enrolment === undefined) throw new TacitError("offline", "this device has not been registered yet");
    return enrolment;
  }

  #requireHolder(): Holder {
    const identity = this.#identity;
    if (!isHolder(identity)) throw new TacitError("not_holder", "another device holds the account key");
    return identity;
  }

  #requireListed(device: string): void {
    if (this.record.current?.devices.some((each) => each.device === device) !== true) {
      throw new TacitError("invalid_argument", "the account has no such device");
    }
  }

  // Becoming part of an account

  async #beLinked(hello: Hello, socket: RelaySocket): Promise<"again"> {
    if (this.#deps.link === undefined) throw notLinked("the account exists already, and this device is not part of it");
    const { enrolment: _, ...identity } = this.#identity;
    // An account key that this device made for itself is nobody's.
    if (this.#identity.enrolment !== undefined) {
      await this.#save({ ...identity, accountKey: undefined, accountSecret: undefined, secretSince: 0 });
    }
    const linked = await this.#linking.run(this.#identity, hello.account, socket, "register");
    if (linked === undefined) throw new LostAnswer("the answer does not come any more");
    await this.#becomeLinked(linked);
    return "again";
  }

  /** The record certifies this device already, and the holder's answer has not been read. */
  async #awaitAnswer(hello: Hello, socket: RelaySocket): Promise<"use"> {
    if (this.#deps.link === undefined && !(await this.#linking.isUnderWay())) {
      throw notLinked("this device did not hear what its account's holder had to say");
    }
    const linked = await this.#linking.run(this.#identity, hello.account, socket, "full");
    if (linked !== undefined) {
      await this.#becomeLinked(linked);
      return "use";
    }
    if (this.#deps.link === undefined) throw notLinked("the holder's answer did not come in time");
    // Nobody can tell any more what the holder said to these keys.
    await this.#save(await createIdentity(this.#deps.crypto));
    throw new LostAnswer("this device begins anew");
  }

  async #becomeLinked({ identity, history, changes }: Linked): Promise<void> {
    const handed = history === undefined ? [] : [{ key: historyKey, value: encodeHandedHistory(history) }];
    await this.#save(identity, [...changes, ...handed, { key: announceKey, value: utf8("yes") }]);
  }

  async #takeHistory(): Promise<void> {
    const { store, connection, blobs, crypto, failed } = this.#deps;
    const stored = await store.get(historyKey);
    if (stored === undefined || this.#historyFailures >= historyAttempts) return;
    const deps = { store, connection, blobs, provider: crypto.provider };
    try {
      const changes = await takenOver(deps, this.#enrolment.account, decodeHandedHistory(stored));
      await store.commit([...changes, { key: historyKey }]);
    } catch (error) {
      if (error instanceof TacitError && error.code === "history_lost") {
        await store.commit([{ key: historyKey }]);
        failed(error);
        return;
      }
      // Conversations go on without their past rather than not at all.
      if (++this.#historyFailures < historyAttempts || error instanceof TacitError) throw error;
      failed(new TacitError("history_lost", "the history that was handed over cannot be fetched", { cause: error }));
    }
  }

  // Linking another device

  async #link(code: LinkCode, key: string, name: string | undefined): Promise<Device> {
    const interrupted = this.#task?.intent;
    if (interrupted?.kind === "link" && isOfOffer(code, interrupted.recipient.offer)) {
      this.#advanceSoon();
      await this.#landing.promise;
      return this.#device(interrupted.keys.device);
    }
    if ((await this.#usedCodes()).has(key)) throw expired("the code was used");
    const offer = await this.#offerFor(code);
    if (this.#isClosed) throw closed();
    if (offer === undefined) throw expired("no device offers itself under this code");
    this.#requireFitting(offer);
    const { keys, hpkeKey, account } = offer;
    const recipient = { account, device: keys.device, hpkeKey, offer: offer.hash, psk: pskOf(code.secret) };
    const history = await this.#handOver();
    const used = new Map([...(await this.#usedCodes()), [key, this.#deps.clock.now()]]);
    await this.#change({ kind: "link", keys, name: name ?? offer.name, recipient, history }, [
      { key: usedCodesKey, value: utf8(JSON.stringify(Object.fromEntries(used))) },
    ]);
    return this.#device(keys.device);
  }

  #requireFitting(offer: LinkOffer): void {
    const suite = String(this.#deps.crypto.suite.id);
    if (offer.account !== this.#enrolment.account || !Object.hasOwn(offer.keys.signatureKeys, suite)) {
      throw new TacitError("link_code_invalid", "linkDevice: the device is of another account or deployment");
    }
    if (!isOfferCurrent(offer, this.#deps.connection.now())) throw expired("the code is older than ten minutes");
  }

  /** Looks into the inbox until it is there: a doorbell may be lost. */
  async #offerFor(code: LinkCode): Promise<(LinkOffer & { readonly hash: Uint8Array }) | undefined> {
    const { crypto, clock, readInbox } = this.#deps;
    const { provider } = crypto;
    const look = (): void => {
      void readInbox().catch(() => {});
    };
    let cancel = (): void => {};
    const lookAgain = (): void => {
      look();
      cancel = clock.after(inboxInterval, lookAgain);
    };
    const found = this.#offers.find((message) => {
      if (!isOfferFor(provider, code, message)) return undefined;
      const offer = openOffer(provider, code, message);
      return offer && { ...offer, hash: sha256(provider, message.offer) };
    }, offerPatience);
    lookAgain();
    return found.finally(() => cancel());
  }

  /** Undefined where there is none, or it could not be brought up: the device is linked without. */
  async #handOver(): ReturnType<typeof handOver> {
    const { connection, blobs, crypto, history, failed } = this.#deps;
    try {
      return await handOver({ connection, blobs, provider: crypto.provider }, await history());
    } catch (error) {
      failed(translate(error));
      return undefined;
    }
  }

  async #usedCodes(): Promise<ReadonlyMap<string, number>> {
    const stored = await this.#deps.store.get(usedCodesKey);
    const used = stored === undefined ? [] : Object.entries(parseJson(stored) as Readonly<Record<string, number>>);
    const now = this.#deps.clock.now();
    return new Map(used.filter(([, at]) => Math.abs(now - at) < usedCodesKept));
  }

  #device(id: string): Device {
    const device = this.#devices.current.find((each) => each.id === id);
    if (device === undefined) throw new TacitError("internal", "the device was revoked meanwhile");
    return device;
  }

  // Versions of the record

  /** One after another; each resolves when its version is at the relay. */
  #change(intent: Intent, more: readonly Change[] = []): Promise<void> {
    const done = this.#lastChange.then(() => this.#makeChange(intent, more));
    this.#lastChange = done.catch(() => {});
    return done;
  }

  async #makeChange(intent: Intent, more: readonly Change[]): Promise<void> {
    const { crypto, store, connection } = this.#deps;
    // One of a life before, or one that the relay refused.
    if (this.#task !== undefined) {
      this.#advanceSoon();
      await this.#landing.promise;
    }
    const made = await this.#alone(async () => {
      if (this.#isClosed) throw closed();
      const outcome = await makeTask(crypto.provider, this.#requireHolder(), this.#current(), intent, connection.now());
      if (outcome.kind !== "task") return outcome.kind;
      await store.commit([{ key: taskKey, value: encodeTask(outcome.task) }, ...more]);
      this.#task = outcome.task;
      this.#landing = deferred();
      return "task";
    });
    if (made === "moot") return this.#requireDone(intent);
    if (made === "full") throw new TacitError("too_large", "the account's record has no room for it");
    const { promise } = this.#landing;
    this.#advanceSoon();
    return promise;
  }

  /** Without a connection it happens when there is one. */
  #advanceSoon(): void {
    this.#alone(() => this.#advance())
      .then(() => this.#deliver())
      .catch(() => {});
  }

  /** Where somebody else's version already says what was wanted, or makes it impossible. */
  #requireDone(intent: Intent): void {
    switch (intent.kind) {
      case "link":
        throw expired("the device was linked already, or revoked");
      case "revoke":
        return;
      case "rename":
        throw new TacitError("invalid_argument", "the account has no such device");
    }
  }

  #current(): { readonly signed: Signed; readonly verified: VerifiedRecord } {
    const verified = this.record.current;
    if (verified === undefined) throw new TacitError("offline", "this device has not been registered yet");
    return { signed: this.#enrolment.record, verified };
  }

  /**
   * Brings the version that waits to the relay. What the relay refuses for good stays where it is: its number is taken.
   * @throws Refused, LostAnswer where it may pass later
   */
  async #advance(): Promise<void> {
    const { connection, failed } = this.#deps;
    while (this.#task !== undefined && !this.#isClosed) {
      const task = this.#task;
      let receipt: Signed;
      try {
        ({ receipt } = await connection.request("putAccount", { record: task.record }));
      } catch (error) {
        if (isConflict(error) && (await this.#rebase(task))) continue;
        if (isConflict(error)) return;
        if (!(error instanceof Refused) || error.refusal.retryable) throw error;
        failed(translate(error));
        this.#giveUp(translate(error));
        return;
      }
      await this.#landed(task, receipt);
    }
  }

  /** Whether another attempt makes sense. */
  async #rebase(task: RecordTask): Promise<boolean> {
    const { provider } = this.#deps.crypto;
    const { account } = this.#enrolment;
    const { record, receipt } = await this.#deps.connection.request("getAccount", { account });
    if (record.payload === task.record.payload && record.signature === task.record.signature) {
      await this.#landed(task, receipt);
      return true;
    }
    const before = this.record.current;
    await this.#take(record, receipt);
    if (this.record.current === before) {
      this.#giveUp(new TacitError("identity_invalid", "the relay refuses what follows the record that it shows"));
      return false;
    }
    const { store, connection } = this.#deps;
    const made = await makeTask(provider, this.#requireHolder(), this.#current(), task.intent, connection.now());
    if (made.kind === "task") {
      await store.commit([{ key: taskKey, value: encodeTask(made.task) }]);
      this.#task = made.task;
      return true;
    }
    await store.commit([{ key: taskKey }]);
    this.#task = undefined;
    try {
      if (made.kind === "full") throw new TacitError("too_large", "the account's record has no room for it");
      this.#requireDone(task.intent);
      this.#landing.resolve();
    } catch (error) {
      this.#landing.reject(error);
    }
    return false;
  }

  /** For now: the version stays, and is tried again at the next catching up. */
  #giveUp(error: TacitError): void {
    this.#landing.reject(error);
    this.#landing = deferred();
  }

  /** The version and everything that follows from it become durable together. */
  async #landed({ intent, record }: RecordTask, receipt: Signed): Promise<void> {
    const { crypto, store } = this.#deps;
    const { provider } = crypto;
    const holder = this.#requireHolder();
    const verified = await verifyRecord(provider, record, this.#enrolment.account);
    if (verified === undefined) throw new TacitError("internal", "the account's own version does not hold");
    const { version } = verified;
    const renewed = intent.kind === "revoke" ? { accountSecret: intent.secret, secretSince: version } : {};
    const enrolment = { ...holder.enrolment, record, recordVersion: version, receipt };
    const after: Holder = { ...holder, ...renewed, enrolment };
    const siblings = new Map(
      (await store.scan(siblingPrefix)).map(([key, value]) => [key.slice(siblingPrefix.length), value] as const),
    );
    const changes: Change[] = [{ key: taskKey }];
    if (intent.kind === "link") {
      changes.push({ key: siblingPrefix + intent.keys.device, value: intent.recipient.hpkeKey });
    }
    if (intent.kind === "revoke") {
      changes.push(...intent.devices.map((device) => ({ key: siblingPrefix + device })));
    }
    const sends = await tidings(provider, after, verified, intent, siblings);
    changes.push(...(await this.#queued(sends, provider)));
    await this.#save(after, changes);
    this.#task = undefined;
    this.#landing.resolve();
  }

  async #queued(sends: readonly AccountSend[], provider: CryptoProvider): Promise<readonly Change[]> {
    const [last] = await this.#deps.store.scan(sendPrefix, { reverse: true, limit: 1 });
    const before = Number(last?.[0].slice(sendPrefix.length) ?? 0);
    return sends.map(({ device, message }, index) => ({
      key: sendPrefix + String(before + index + 1).padStart(12, "0"),
      value: utf8(JSON.stringify({ device, message: randomId(provider), payload: encodeBase64Url(message) })),
    }));
  }

  /** One delivery at a time, in order: a device must hear of a renewed secret after the answer that it was linked with. */
  #deliver(): Promise<void> {
    return (this.#delivery ??= this.#deliverAll().finally(() => (this.#delivery = undefined)));
  }

  async #deliverAll(): Promise<void> {
    const { store, connection, failed } = this.#deps;
    const { account } = this.#enrolment;
    for (const [key, value] of await store.scan(sendPrefix)) {
      const { device, message, payload } = JSON.parse(fromUtf8(value)) as Readonly<Record<string, string>>;
      try {
        await connection.request("sendInbox", {
          account,
          device: device!,
          message: message!,
          payload: { inline: payload! },
        });
      } catch (error) {
        if (!(error instanceof Refused) || error.refusal.retryable) throw error;
        // The device may have been revoked meanwhile.
        const isListed = this.record.current?.devices.some((each) => each.device === device) === true;
        if (isListed) failed(translate(error));
      }
      await store.commit([{ key }]);
    }
  }

  /** @throws TacitError `device_revoked` */
  async #refresh(): Promise<void> {
    const { account, registered } = this.#enrolment;
    if (!registered) return;
    const { record, receipt } = await this.#deps.connection.request("getAccount", { account });
    await this.#take(record, receipt);
  }

  /** Stores what follows the version that is known; anything else is the relay's lie, and reported. */
  async #take(record: Signed, receipt: Signed): Promise<void> {
    const { crypto, failed } = this.#deps;
    const { provider } = crypto;
    const known = this.record.current;
    const { account } = this.#enrolment;
    const shown = await verifyRecord(provider, record, account);
    const verdict = shown === undefined || known === undefined ? undefined : succession(known, shown);
    if (shown === undefined || verdict === undefined || verdict === "behind" || verdict === "contradiction") {
      failed(new TacitError("identity_invalid", "the relay shows a record that cannot follow the one that is known"));
      if (shown !== undefined && shown.version === known?.version) {
        this.#deps.contradicted(shown.version, this.#enrolment.receipt, receipt);
      }
      return;
    }
    try {
      await this.#deps.checkReceipt(shown, receipt);
    } catch {
      return;
    }
    const { device, enrolment } = this.#identity;
    if (verdict === "same") {
      if (enrolment?.receipt === undefined) {
        await this.#save({ ...this.#identity, enrolment: { ...this.#enrolment, receipt } });
      }
      return this.#requireNotRevoked();
    }
    const certificate = certificateFor(record, device) ?? this.#enrolment.certificate;
    const next = { ...this.#enrolment, certificate, record, recordVersion: shown.version, receipt };
    await this.#save({ ...this.#identity, enrolment: next });
    this.#requireNotRevoked();
  }

  #requireNotRevoked(): void {
    if (this.record.current?.revoked.includes(this.#identity.device) !== true) return;
    const error = new TacitError("device_revoked", "this device was revoked");
    this.#deps.revoked(error);
    throw error;
  }

  async #takeSecret(signed: Signed): Promise<void> {
    const { hpkeKey, device } = this.#identity;
    const { account } = this.#enrolment;
    const { accountKey } = this.#current().verified;
    if (hpkeKey === undefined) return;
    const opened = await openSecret(this.#deps.crypto.provider, { account, device, hpkeKey }, accountKey, signed);
    if (opened === undefined) return;
    await this.#alone(async () => {
      if (opened.version <= this.#identity.secretSince) return;
      await this.#save({ ...this.#identity, accountSecret: opened.secret, secretSince: opened.version });
    });
  }

  async #save(identity: Identity, more: readonly Change[] = []): Promise<void> {
    await this.#deps.store.commit([{ key: identityKey, value: encodeIdentity(identity) }, ...more]);
    const { provider } = this.#deps.crypto;
    const before = this.#identity;
    this.#identity = identity;
    const { enrolment } = identity;
    if (enrolment?.record !== before.enrolment?.record) {
      this.record.set(enrolment && (await verifyRecord(provider, enrolment.record, enrolment.account)));
      this.#deps.reconcile();
    }
    const listed = this.#listed();
    if (JSON.stringify(listed) !== JSON.stringify(this.#devices.current)) this.#devices.set(listed);
  }

  #listed(): readonly Device[] {
    const record = this.record.current;
    const { device: own } = this.#identity;
    if (record === undefined) return [];
    this.#names = namesOf(this.#identity, record) ?? this.#names;
    const holder = this.isHolder ? own : this.#names?.holder;
    return record.devices.map(({ device, issuedAt }) => ({
      id: device,
      name: this.#names?.names.get(device),
      isThis: device === own,
      isHolder: device === holder,
      since: issuedAt,
    }));
  }

  /** One at a time: what the relay answers stands on what was known. */
  #alone<T>(body: () => Promise<T>): Promise<T> {
    const done = this.#last.then(body);
    this.#last = done.catch(() => {});
    return done;
  }
}

function isOfOffer({ offerHash }: LinkCode, offer: Uint8Array): boolean {
  return sameBytes(offerHash, offer.subarray(0, offerHash.length));
}

async function exists(account: string, socket: RelaySocket): Promise<boolean> {
  try {
    await socket.request("getAccount", { account });
    return true;
  } catch (error) {
    if (error instanceof Refused && error.refusal.code === "unknown_account") return false;
    throw error;
  }
}

function isConflict(error: unknown): boolean {
  return error instanceof Refused && error.refusal.code === "record_conflict";
}

/** Names a code without telling it. */
function codeKey({ secret, offerHash }: LinkCode, hash: (bytes: Uint8Array) => Uint8Array): string {
  return encodeBase64Url(hash(concat(utf8("tacit used code 1\0"), secret, offerHash)));
}

const notLinked = (why: string): TacitError => new TacitError("device_not_linked", why);
const expired = (why: string): TacitError => new TacitError("link_expired", `linkDevice: ${why}`);
const closed = (): TacitError => new TacitError("closed", "the client was closed");
const badName = (): TacitError => new TacitError("invalid_argument", "a device's name is visible, at most 48 bytes");
