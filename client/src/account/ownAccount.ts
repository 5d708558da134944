/**
 * The shell around this device's own account: its record and the versions that follow, the devices in it, linking as the holder and as
 * the new device. Everything it changes is in the store before the relay hears of it, and repeated until the relay has it.
 */
import { AccountEntry } from "./accountEntry.ts";
import type { OwnAccountDeps } from "./accountDeps.ts";
import { Contradictions } from "./contradictions.ts";
import { OwnIdentity, type StoredAccount } from "./ownIdentity.ts";
import { RecordVersions } from "./recordVersions.ts";
import { Siblings } from "./siblings.ts";
import { AccountSends } from "./accountSends.ts";
import type { Device, Observable } from "../api.ts";
import type { Hello } from "../connection/connection.ts";
import { TacitError } from "../errors.ts";
import { badName, HolderLinking } from "../linking/holderLinking.ts";
import type { Subject } from "../observable.ts";
import type { RelaySocket } from "../connection/relaySocket.ts";
import type { VerifiedRecord } from "../session/identity/accountRecord.ts";
import { decodeAccountMessage } from "../session/identity/accountMessage.ts";
import type { HeardRecord } from "../session/conversation.ts";
import { isDeviceName } from "../session/identity/deviceNames.ts";
import { isHolder, newAccountSecret, type Enrolment, type Identity } from "../session/identity/identity.ts";
import { HistoryTaking } from "../linking/takeHistory.ts";

export class OwnAccount {
  readonly #deps: OwnAccountDeps;
  readonly #own: OwnIdentity;
  readonly #entry: AccountEntry;
  readonly #versions: RecordVersions;
  readonly #siblings: Siblings;
  readonly #holderLinking: HolderLinking;
  readonly #sends: AccountSends;
  readonly #contradictions: Contradictions;
  readonly #history: HistoryTaking;

  constructor(deps: OwnAccountDeps, stored: StoredAccount) {
    this.#deps = deps;
    const { provider } = deps.crypto;
    this.#own = new OwnIdentity(deps, stored);
    this.#sends = new AccountSends({
      ...deps,
      provider,
      isListed: (device) => this.record.current?.devices.some((each) => each.device === device) === true,
    });
    this.#entry = new AccountEntry(deps, this.#own);
    this.#contradictions = new Contradictions(deps, this.#own);
    const parts = { sends: this.#sends, contradictions: this.#contradictions };
    this.#versions = new RecordVersions(deps, this.#own, parts, stored.task);
    this.#siblings = new Siblings(deps, this.#own, this.#sends);
    this.#holderLinking = new HolderLinking({
      ...deps,
      account: () => this.#own.enrolment.account,
      interrupted: () => {
        const { intent } = this.#versions;
        return intent && { intent, landed: () => this.#versions.landedSoon() };
      },
      change: (intent, more) => this.#versions.change(intent, more),
    });
    this.#history = new HistoryTaking({ ...deps, provider });
  }

  /** The newest version that is known; undefined before this device is part of an account. */
  get record(): Subject<VerifiedRecord | undefined> {
    return this.#own.record;
  }

  /** The same. @throws TacitError `offline` before this device is part of an account */
  get current(): VerifiedRecord {
    return this.#own.current.verified;
  }

  get identity(): Identity {
    return this.#own.now;
  }

  /** @throws TacitError `offline` before this device is part of an account */
  get enrolment(): Enrolment {
    return this.#own.enrolment;
  }

  get isRegistered(): boolean {
    return this.#own.isRegistered;
  }

  get isHolder(): boolean {
    return isHolder(this.#own.now);
  }

  /** The account's devices, the own one among them. */
  get devices(): Observable<readonly Device[]> {
    return this.#own.devices;
  }

  /** The socket said hello: enters the account where this device is not part of it yet. @throws as `AccountEntry.welcomed` */
  welcomed(hello: Hello, socket: RelaySocket): Promise<"use" | "again"> {
    return this.#entry.welcomed(hello, socket);
  }

  /** Brings what waits to the relay, and the record up to date. @throws TacitError `device_revoked`; Refused, LostAnswer */
  async catchUp(): Promise<void> {
    await this.#own.alone(async () => {
      await this.#versions.advance();
      await this.#versions.refresh();
    });
    await this.#history.take(this.#own.enrolment.account);
    await this.#deliver();
  }

  /** This device has key packages out. The first time, the others are told, so that they put it into their conversations. */
  async reachable(): Promise<void> {
    await this.#own.alone(() => this.#siblings.announce());
    await this.#deliver();
  }

  /** Somebody knows of `version` of this account's record. @throws as `catchUp` */
  async heard(version: number): Promise<void> {
    if (version <= (this.#own.record.current?.version ?? 0)) return;
    await this.#own.alone(() => this.#versions.refresh());
  }

  /** What another device of the account says of its record: a newer version is fetched, another record of this one told of. */
  heardFrom({ said, device }: HeardRecord): void {
    const record = this.#own.record.current;
    if (record === undefined || record.revoked.includes(device)) return;
    this.heard(said.version).catch(this.#deps.report);
    if (said.version === record.version && said.hash !== record.hash) {
      void this.#contradictions.add(said.version, undefined);
    }
  }

  /**
   * A message from an inbox. Says whether it was one of these, whatever came of it.
   * @throws TacitError of the store; Refused, LostAnswer: it has to stay in the inbox
   */
  async receive(sender: { readonly account: string; readonly device: string }, bytes: Uint8Array): Promise<boolean> {
    const message = decodeAccountMessage(bytes);
    if (message === undefined) return false;
    const { enrolment } = this.#own.now;
    if (enrolment === undefined || sender.account !== enrolment.account) return true;
    switch (message.kind) {
      case "linkOffer":
        if (this.isHolder) this.#holderLinking.offered(message);
        break;
      case "linkAnswer":
        // A copy of the one that made this device what it is.
        break;
      case "accountRecord":
        if (message.secret !== undefined) await this.#siblings.takeSecret(message.secret);
        await this.heard(message.version);
        // A token alone lets somebody write to the account's devices, and each look at all conversations takes claims.
        if (this.#own.devices.current.some(({ id }) => id === sender.device)) this.#deps.reconcile();
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
    this.#own.requireHolder();
    const linked = await this.#holderLinking.link(input, name);
    const device = this.#own.devices.current.find(({ id }) => id === linked);
    if (device === undefined) throw new TacitError("internal", "the device was revoked meanwhile");
    return device;
  }

  /**
   * Takes devices out of the account for good. Resolves when the relay has the record without them, and has closed their sockets.
   * @throws TacitError `not_holder`, `invalid_argument`
   */
  async revokeDevice(device: string): Promise<void> {
    this.#own.requireHolder();
    if (device === this.#own.now.device) {
      throw new TacitError("invalid_argument", "revokeDevice: the holder is replaced by recovery");
    }
    const { record } = this.#own;
    if (record.current?.revoked.includes(device) === true) return;
    this.#own.requireListed(device);
    const secret = newAccountSecret(this.#deps.crypto.provider);
    await this.#versions.change({ kind: "revoke", devices: [device], secret });
  }

  /** @throws TacitError `not_holder`, `invalid_argument`, `too_large` */
  async renameDevice(device: string, name: string): Promise<void> {
    this.#own.requireHolder();
    if (!isDeviceName(name)) throw badName();
    this.#own.requireListed(device);
    await this.#versions.change({ kind: "rename", device, name });
  }

  /** Makes the code worthless that this device shows. */
  cancelLinking(): Promise<void> {
    return this.#entry.cancelLinking();
  }

  close(): void {
    this.#holderLinking.close();
    this.#versions.close();
  }

  #deliver(): Promise<void> {
    return this.#sends.deliver(this.#own.enrolment.account);
  }
}
