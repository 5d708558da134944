/**
 * The versions of the account's record: the holder makes the next one, others follow. What is made is in the store before the relay hears
 * of it, and repeated until the relay has it.
 */
import type { Signed } from "@tacit/protocol";
import type { AccountSends } from "./accountSends.ts";
import { deferred, type Deferred } from "../deferred.ts";
import { TacitError } from "../errors.ts";
import { linkExpired } from "../linking/holderLinking.ts";
import { LostAnswer, Refused } from "../connection/relaySocket.ts";
import { certificateFor, succession, verifyRecord } from "../session/identity/accountRecord.ts";
import type { Change } from "../session/conversationStore.ts";
import type { Holder } from "../session/identity/identity.ts";
import { encodeTask, makeTask, tidings, type Intent, type RecordTask } from "../session/identity/recordTask.ts";
import { translate } from "../translate.ts";
import { Retry } from "../retry.ts";
import type { OwnAccountDeps } from "./accountDeps.ts";
import type { Contradictions } from "./contradictions.ts";
import { taskKey, type OwnIdentity } from "./ownIdentity.ts";

/** Of a device that was linked: the key that a renewed secret is sealed for. */
const siblingPrefix = "a/sibling/";

export class RecordVersions {
  readonly #deps: OwnAccountDeps;
  readonly #own: OwnIdentity;
  readonly #sends: AccountSends;
  readonly #contradictions: Contradictions;
  #task: RecordTask | undefined;
  /** Settles when the task's version is at the relay, or never will be. */
  #landing: Deferred<void> = deferred();
  #lastChange: Promise<unknown> = Promise.resolve();
  readonly #retry: Retry;
  #isClosed = false;

  constructor(
    deps: OwnAccountDeps,
    own: OwnIdentity,
    { sends, contradictions }: { readonly sends: AccountSends; readonly contradictions: Contradictions },
    task: RecordTask | undefined,
  ) {
    this.#deps = deps;
    this.#own = own;
    this.#sends = sends;
    this.#contradictions = contradictions;
    this.#task = task;
    this.#retry = new Retry({ clock: deps.clock, context: () => deps.crypto }, () => this.#bring());
  }

  /** What the version that waits is for. */
  get intent(): Intent | undefined {
    return this.#task?.intent;
  }

  /** One after another; each resolves when its version is at the relay. */
  change(intent: Intent, more: readonly Change[] = []): Promise<void> {
    const done = this.#lastChange.then(() => this.#makeChange(intent, more));
    this.#lastChange = done.catch(() => {});
    return done;
  }

  async #makeChange(intent: Intent, more: readonly Change[]): Promise<void> {
    const { crypto, store, connection } = this.#deps;
    // One of a life before, or one that the relay refused.
    if (this.#task !== undefined) await this.landedSoon();
    const made = await this.#own.alone(async () => {
      if (this.#isClosed) throw closed();
      const outcome = await makeTask(
        crypto.provider,
        this.#own.requireHolder(),
        this.#own.current,
        intent,
        connection.now(),
      );
      if (outcome.kind !== "task") return outcome.kind;
      await store.commit([{ key: taskKey, value: encodeTask(outcome.task) }, ...more]);
      this.#task = outcome.task;
      this.#landing = deferred();
      return "task";
    });
    if (made === "moot") return this.#requireDone(intent);
    if (made === "full") throw new TacitError("too_large", "the account's record has no room for it");
    return this.landedSoon();
  }

  /** Without a connection it happens when there is one. */
  landedSoon(): Promise<void> {
    const { promise } = this.#landing;
    this.#bring();
    return promise;
  }

  #bring(): void {
    this.#retry.cancel();
    this.#own
      .alone(() => this.advance())
      .then(() => this.#sends.deliver(this.#own.enrolment.account))
      .then(
        () => this.#retry.startOver(),
        (error: unknown) => this.#bringLater(error),
      );
  }

  /** The relay may have it, whatever it answered: others act on it then, and this device does not know. Without a connection, the next one brings it. */
  #bringLater(error: unknown): void {
    const mayPass = error instanceof LostAnswer || (error instanceof Refused && error.refusal.retryable);
    if (this.#isClosed || !mayPass || !this.#deps.connection.isUp) return;
    this.#retry.cancel();
    this.#retry.later(error instanceof Refused ? (error.refusal.retryAfter ?? 0) : 0);
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

  /**
   * Brings the version that waits to the relay. What the relay refuses for good stays where it is: its number is taken.
   * @throws Refused, LostAnswer where it may pass later
   */
  async advance(): Promise<void> {
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
      if (!(await this.#landed(task, receipt))) return;
    }
  }

  /** Whether another attempt makes sense. */
  async #rebase(task: RecordTask): Promise<boolean> {
    const { provider } = this.#deps.crypto;
    const { account } = this.#own.enrolment;
    const { record, receipt } = await this.#deps.connection.request("getAccount", { account });
    if (record.payload === task.record.payload && record.signature === task.record.signature) {
      return this.#landed(task, receipt);
    }
    const before = this.#own.record.current;
    await this.#take(record, receipt);
    if (this.#own.record.current === before) {
      this.#giveUp(new TacitError("identity_invalid", "the relay refuses what follows the record that it shows"));
      return false;
    }
    const { store, connection } = this.#deps;
    const made = await makeTask(provider, this.#own.requireHolder(), this.#own.current, task.intent, connection.now());
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

  /**
   * The version and everything that follows from it become durable together. False: what the relay gave for it is no receipt, so the
   * version waits on.
   */
  async #landed({ intent, record }: RecordTask, receipt: Signed): Promise<boolean> {
    const { crypto, store } = this.#deps;
    const { provider } = crypto;
    const holder = this.#own.requireHolder();
    const verified = await verifyRecord(provider, record, this.#own.enrolment.account);
    if (verified === undefined) throw new TacitError("internal", "the account's own version does not hold");
    try {
      await this.#deps.checkReceipt(verified, receipt);
    } catch (error) {
      this.#giveUp(translate(error));
      return false;
    }
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
    await this.#own.save(after, changes);
    this.#task = undefined;
    this.#landing.resolve();
    return true;
  }

  /** @throws TacitError `device_revoked` */
  async refresh(): Promise<void> {
    const { account, registered } = this.#own.enrolment;
    if (!registered) return;
    const { record, receipt } = await this.#deps.connection.request("getAccount", { account });
    await this.#take(record, receipt);
  }

  /** Stores what follows the version that is known; anything else is the relay's lie, and reported. */
  async #take(record: Signed, receipt: Signed): Promise<void> {
    const { crypto, failed } = this.#deps;
    const { provider } = crypto;
    const known = this.#own.record.current;
    const { account } = this.#own.enrolment;
    const shown = await verifyRecord(provider, record, account);
    const verdict = shown === undefined || known === undefined ? undefined : succession(known, shown);
    if (shown === undefined || verdict === undefined || verdict === "behind" || verdict === "contradiction") {
      failed(new TacitError("identity_invalid", "the relay shows a record that cannot follow the one that is known"));
      if (shown !== undefined && shown.version === known?.version) {
        void this.#contradictions.add(shown.version, receipt);
      }
      return;
    }
    try {
      await this.#deps.checkReceipt(shown, receipt);
    } catch {
      return;
    }
    const { device, enrolment } = this.#own.now;
    if (verdict === "same") {
      if (enrolment?.receipt === undefined) {
        await this.#own.save({ ...this.#own.now, enrolment: { ...this.#own.enrolment, receipt } });
      }
      return this.#requireNotRevoked();
    }
    const certificate = certificateFor(record, device) ?? this.#own.enrolment.certificate;
    const next = { ...this.#own.enrolment, certificate, record, recordVersion: shown.version, receipt };
    await this.#own.save({ ...this.#own.now, enrolment: next });
    this.#requireNotRevoked();
  }

  #requireNotRevoked(): void {
    if (this.#own.record.current?.revoked.includes(this.#own.now.device) !== true) return;
    const error = new TacitError("device_revoked", "this device was revoked");
    this.#deps.revoked(error);
    throw error;
  }

  close(): void {
    this.#isClosed = true;
    this.#retry.cancel();
    this.#landing.reject(closed());
  }
}

/** The relay has another record of that version. */
export function isConflict(error: unknown): boolean {
  return error instanceof Refused && error.refusal.code === "record_conflict";
}

const closed = (): TacitError => new TacitError("closed", "the client was closed");
