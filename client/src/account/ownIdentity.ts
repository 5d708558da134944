/** This device as a part of its account: who it is, which record it knows, and the one place that stores either. */
import type { Signed } from "@tacit/protocol";
import type { Device, Observable } from "../api.ts";
import { TacitError } from "../errors.ts";
import { subject, type Subject } from "../observable.ts";
import type { SealedStore } from "../sealedStore.ts";
import { verifyRecord, type VerifiedRecord } from "../session/identity/accountRecord.ts";
import type { Change } from "../session/conversationStore.ts";
import type { CryptoContext } from "../session/cryptoContext.ts";
import type { DeviceNames } from "../session/identity/deviceNames.ts";
import {
  createIdentity,
  decodeIdentity,
  encodeIdentity,
  isHolder,
  migrated,
  type Enrolment,
  type Holder,
  type Identity,
} from "../session/identity/identity.ts";
import { decodeTask, namesOf, type RecordTask } from "../session/identity/recordTask.ts";
import type { OwnAccountDeps } from "./accountDeps.ts";

/** What the store has of it. */
export interface StoredAccount {
  readonly identity: Identity;
  readonly record: VerifiedRecord | undefined;
  readonly task: RecordTask | undefined;
}

const identityKey = "identity";
export const taskKey = "a/task";

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

export class OwnIdentity {
  /** The newest version that is known; undefined before this device is part of an account. */
  readonly record: Subject<VerifiedRecord | undefined>;
  readonly #devices: Subject<readonly Device[]>;
  readonly #deps: Pick<OwnAccountDeps, "store" | "crypto" | "reconcile">;
  #identity: Identity;
  /** The newest that could be read. */
  #names: DeviceNames | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    deps: Pick<OwnAccountDeps, "store" | "crypto" | "reconcile">,
    { identity, record }: Pick<StoredAccount, "identity" | "record">,
  ) {
    this.#deps = deps;
    this.#identity = identity;
    this.record = subject(record);
    this.#devices = subject(this.#listed());
  }

  get now(): Identity {
    return this.#identity;
  }

  /** The account's devices, the own one among them. */
  get devices(): Observable<readonly Device[]> {
    return this.#devices;
  }

  get isRegistered(): boolean {
    return this.#identity.enrolment?.registered === true;
  }

  get enrolment(): Enrolment {
    const { enrolment } = this.#identity;
    if (enrolment === undefined) throw new TacitError("offline", "this device has not been registered yet");
    return enrolment;
  }

  requireHolder(): Holder {
    const identity = this.#identity;
    if (!isHolder(identity)) throw new TacitError("not_holder", "another device holds the account key");
    return identity;
  }

  requireListed(device: string): void {
    if (this.record.current?.devices.some((each) => each.device === device) !== true) {
      throw new TacitError("invalid_argument", "the account has no such device");
    }
  }

  /** The newest version, as it was signed and as it was verified. */
  get current(): { readonly signed: Signed; readonly verified: VerifiedRecord } {
    const verified = this.record.current;
    if (verified === undefined) throw new TacitError("offline", "this device has not been registered yet");
    return { signed: this.enrolment.record, verified };
  }

  /** Stores it, together with `more`; then it is what this device is. */
  async save(identity: Identity, more: readonly Change[] = []): Promise<void> {
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
    const holder = isHolder(this.#identity) ? own : this.#names?.holder;
    return record.devices.map(({ device, issuedAt }) => ({
      id: device,
      name: this.#names?.names.get(device),
      isThis: device === own,
      isHolder: device === holder,
      since: issuedAt,
    }));
  }

  /** One at a time: what the relay answers stands on what was known. */
  alone<T>(body: () => Promise<T>): Promise<T> {
    const done = this.#last.then(body);
    this.#last = done.catch(() => {});
    return done;
  }
}
