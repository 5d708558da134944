/**
 * The shell around this device's own account: its record and the versions that follow, the devices in it, linking as the holder and as
 * the new device. Everything it changes is in the store before the relay hears of it, and repeated until the relay has it.
 */
import type { Signed } from "@tacit/protocol";
import { AccountSends } from "./accountSends.ts";
import type { Device, LinkOptions, Observable } from "./api.ts";
import type { RecoveredIdentity } from "./backup/recovery.ts";
import type { Connection, Hello } from "./connection.ts";
import { deferred, type Deferred } from "./deferred.ts";
import { DeviceLinking, type Linked } from "./deviceLinking.ts";
import { TacitError } from "./errors.ts";
import { badName, HolderLinking, linkExpired } from "./holderLinking.ts";
import { subject, type Subject } from "./observable.ts";
import type { BlobTransfer, Clock } from "./ports.ts";
import { LostAnswer, Refused, type RelaySocket } from "./relaySocket.ts";
import type { SealedStore } from "./sealedStore.ts";
import { decodeAccountMessage, encodeAccountMessage } from "./session/accountMessage.ts";
import { certificateFor, succession, verifyRecord, type VerifiedRecord } from "./session/accountRecord.ts";
import { utf8 } from "./session/bytes.ts";
import type { Change } from "./session/conversationStore.ts";
import type { CryptoContext } from "./session/cryptoContext.ts";
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
import {
  decodeTask,
  encodeTask,
  makeTask,
  namesOf,
  tidings,
  type Intent,
  type RecordTask,
} from "./session/recordTask.ts";
import { openSecret } from "./session/renewedSecret.ts";
import { historyToTake, HistoryTaking } from "./takeHistory.ts";
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
/** Set until a device that was linked has told the others that it can be reached. */
const announceKey = "a/announce";
const siblingPrefix = "a/sibling/";

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
  readonly #holderLinking: HolderLinking;
  readonly #sends: AccountSends;
  readonly #history: HistoryTaking;
  #identity: Identity;
  /** The newest that could be read. */
  #names: DeviceNames | undefined;
  #task: RecordTask | undefined;
  /** Settles when the task's version is at the relay, or never will be. */
  #landing: Deferred<void> = deferred();
  #lastChange: Promise<unknown> = Promise.resolve();
  #last: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(deps: OwnAccountDeps, { identity, record, task }: StoredAccount) {
    this.#deps = deps;
    this.#identity = identity;
    this.#task = task;
    this.record = subject(record);
    this.#devices = subject(this.#listed());
    const { store, crypto, clock, connection, link } = deps;
    const { provider } = crypto;
    this.#linking = new DeviceLinking({ store, crypto, clock, now: () => connection.now(), options: link });
    this.#holderLinking = new HolderLinking({
      ...deps,
      account: () => this.#enrolment.account,
      interrupted: () => this.#task && { intent: this.#task.intent, landed: () => this.#landedSoon() },
      change: (intent, more) => this.#change(intent, more),
    });
    this.#sends = new AccountSends({
      ...deps,
      provider,
      isListed: (device) => this.record.current?.devices.some((each) => each.device === device) === true,
    });
    this.#history = new HistoryTaking({ ...deps, provider });
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
    await this.#history.take(this.#enrolment.account);
    await this.#deliver();
  }

  /** This device has key packages out. The first time, the others are told, so that they put it into their conversations. */
  async reachable(): Promise<void> {
    await this.#alone(() => this.#announce());
    await this.#deliver();
  }

  async #announce(): Promise<void> {
    const { store } = this.#deps;
    const record = this.record.current;
    if (record === undefined || (await store.get(announceKey)) === undefined) return;
    const message = encodeAccountMessage({ kind: "accountRecord", version: record.version });
    const others = record.devices.filter(({ device }) => device !== this.#identity.device);
    const sends = others.map(({ device }) => ({ device, message }));
    await store.commit([{ key: announceKey }, ...(await this.#sends.queued(sends))]);
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
        if (this.isHolder) this.#holderLinking.offered(message);
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
    const linked = await this.#holderLinking.link(input, name);
    const device = this.#devices.current.find(({ id }) => id === linked);
    if (device === undefined) throw new TacitError("internal", "the device was revoked meanwhile");
    return device;
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
    this.#holderLinking.close();
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
    await this.#save(identity, [...changes, ...historyToTake(history), { key: announceKey, value: utf8("yes") }]);
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
    if (this.#task !== undefined) await this.#landedSoon();
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
    return this.#landedSoon();
  }

  /** Without a connection it happens when there is one. */
  #landedSoon(): Promise<void> {
    const { promise } = this.#landing;
    this.#alone(() => this.#advance())
      .then(() => this.#deliver())
      .catch(() => {});
    return promise;
  }

  /** Where somebody else's version already says what was wanted, or makes it impossible. */
  #requireDone(intent: Intent): void {
    switch (intent.kind) {
      case "link":
        throw linkExpired("the device was linked already, or revoked");
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
    changes.push(...(await this.#sends.queued(sends)));
    await this.#save(after, changes);
    this.#task = undefined;
    this.#landing.resolve();
  }

  #deliver(): Promise<void> {
    return this.#sends.deliver(this.#enrolment.account);
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

const notLinked = (why: string): TacitError => new TacitError("device_not_linked", why);
const closed = (): TacitError => new TacitError("closed", "the client was closed");
