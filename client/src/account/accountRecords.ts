/**
 * Account records, as the relay hands them out: fetched, verified, held against the relay's receipt and against what is known of the
 * account. The key that signs receipts is the deployment's; it is given to `connect`, or pinned when the first receipt is seen.
 */
import type { Answer, Signed } from "@tacit/protocol";
import type { Connection } from "../connection/connection.ts";
import { equivocation, type RelayEquivocation } from "./equivocation.ts";
import { TacitError } from "../errors.ts";
import type { Met, PeerBook } from "./peerBook.ts";
import { LostAnswer, Refused } from "../connection/relaySocket.ts";
import type { SealedStore } from "../sealedStore.ts";
import { succession, verifyRecord, type VerifiedRecord } from "../session/identity/accountRecord.ts";
import { fromUtf8, utf8 } from "../session/bytes.ts";
import type { CryptoProvider } from "../session/cryptoContext.ts";
import type { Shown } from "../session/identity/peers.ts";
import { evidenceIn, isReceiptFor, verifyReceipt, type RecordEvidence } from "../session/identity/receipt.ts";
import { translate } from "../translate.ts";

export interface AccountRecordsDeps {
  readonly connection: Pick<Connection, "request" | "now">;
  readonly store: SealedStore;
  readonly peers: PeerBook;
  readonly provider: CryptoProvider;
  /** The own account's record as this device knows it. */
  readonly own: () => VerifiedRecord | undefined;
  /** base64url. Default: pinned on first sight. */
  readonly receiptKey: string | undefined;
  readonly identityChanged: (event: { readonly account: string; readonly proven: boolean }) => void;
  readonly equivocation: (event: RelayEquivocation) => void;
  readonly failed: (error: TacitError) => void;
}

export type CheckedRecord = VerifiedRecord & { readonly signed: Signed; readonly receipt: Signed };

const receiptKeyName = "receipt-key";

export class AccountRecords {
  readonly #deps: AccountRecordsDeps;
  #receiptKey: string | undefined;
  #pinning: Promise<unknown> = Promise.resolve();
  readonly #following = new Map<string, Promise<void>>();

  constructor(deps: AccountRecordsDeps) {
    this.#deps = deps;
  }

  /** Before anything else. */
  async load(): Promise<void> {
    const { store, receiptKey: given } = this.#deps;
    const stored = await store.get(receiptKeyName);
    const pinned = stored && fromUtf8(stored);
    if (given !== undefined && given !== pinned) await store.commit([{ key: receiptKeyName, value: utf8(given) }]);
    this.#receiptKey = given ?? pinned;
  }

  /** The key that receipts are held against, base64url; undefined before the first one. */
  get receiptKey(): string | undefined {
    return this.#receiptKey;
  }

  /**
   * The current record of an account, checked against everything that is known of it. Whether its key is the pinned one is for the
   * peer book to say.
   * @throws TacitError `identity_invalid`; Refused; LostAnswer
   */
  async fetch(account: string): Promise<CheckedRecord> {
    const { connection, store, peers, provider } = this.#deps;
    const before = this.#versionOf(account);
    const checked = await this.check(account, await connection.request("getAccount", { account }));
    // What this device learned while the answer was on its way is newer than that: no lie.
    if (before <= checked.version && checked.version < this.#versionOf(account)) return this.fetch(account);
    const own = this.#deps.own();
    if (own?.account === account) {
      const verdict = succession(own, checked);
      if (verdict === "same" || verdict === "later") return checked;
      throw this.#reported("the relay shows a record of this account that cannot follow the one that is known");
    }
    const { met, known } = await peers.alone(async () => {
      const before = peers.get(account)?.record?.receipt;
      const meeting = peers.meet([shownBy(checked)]);
      if (meeting.changes.length > 0) await store.commit(meeting.changes);
      meeting.stored();
      return { met: meeting, known: before };
    });
    for (const changed of met.changed) this.#deps.identityChanged(changed);
    for (const { version } of met.differing) {
      const evidence = known && (await evidenceIn(provider, [known, checked.receipt]));
      this.#tell(account, version, checked.receipt, evidence);
    }
    if (met.refused.length > 0) {
      throw new TacitError("identity_invalid", "the account's record is older than, or not the one, that is known");
    }
    return checked;
  }

  /** The newest that this device knows of, 0 before the first. */
  #versionOf(account: string): number {
    const own = this.#deps.own();
    if (own?.account === account) return own.version;
    const { record, heard } = this.#deps.peers.get(account) ?? {};
    return Math.max(record?.version ?? 0, heard?.version ?? 0);
  }

  /**
   * Does the record hold, and is it the one that the receipt is for? Says nothing of what is known of the account.
   * @throws TacitError `identity_invalid`
   */
  async check(account: string, { record, receipt }: Answer<"getAccount">): Promise<CheckedRecord> {
    const verified = await verifyRecord(this.#deps.provider, record, account);
    if (verified === undefined) throw new TacitError("identity_invalid", "the account's record does not hold");
    await this.checkReceipt(verified, receipt);
    return { ...verified, signed: record, receipt };
  }

  /** @throws TacitError `identity_invalid`, which is reported too */
  async checkReceipt(
    record: { readonly account: string; readonly version: number; readonly hash: string },
    signed: Signed,
  ): Promise<void> {
    const { provider, connection } = this.#deps;
    const receipt = await verifyReceipt(provider, signed);
    if (receipt === undefined || !isReceiptFor(receipt, record, connection.now())) {
      throw this.#reported("the relay's receipt for an account's record does not hold");
    }
    if (receipt.key !== (await this.#pin(receipt.key))) {
      throw this.#reported("the relay signs receipts with another key than before");
    }
  }

  /** Pins `key` (base64url) where none is known yet. @throws TacitError `identity_invalid` where it is another one */
  async expectReceiptKey(key: string): Promise<void> {
    if ((await this.#pin(key)) !== key) throw this.#reported("receipts are signed with another key than is known");
  }

  /** What was met in a conversation: tells the application, and fetches what this device has not seen. */
  follow(met: Met): void {
    for (const changed of met.changed) this.#deps.identityChanged(changed);
    for (const { account, version } of met.differing) this.#alone(account, () => this.#investigate(account, version));
    for (const account of met.behind) this.#alone(account, () => this.#catchUp(account));
  }

  /** Fetches the newest record of everybody who is known to have one that this device has not seen. */
  followAll(): void {
    for (const account of this.#deps.peers.behind()) this.#alone(account, () => this.#catchUp(account));
  }

  /** Resolves when nothing of what `follow` began is left to do. */
  async settled(): Promise<void> {
    while (this.#following.size > 0) await Promise.all(this.#following.values());
  }

  #alone(account: string, body: () => Promise<void>): void {
    const done = (this.#following.get(account) ?? Promise.resolve())
      .then(body)
      .catch((error: unknown) => {
        // What was not answered is asked for again when the account says more, or after the next connect.
        if (!(error instanceof LostAnswer || error instanceof Refused)) this.#deps.failed(translate(error));
      })
      .finally(() => {
        if (this.#following.get(account) === done) this.#following.delete(account);
      });
    this.#following.set(account, done);
  }

  async #catchUp(account: string): Promise<void> {
    if (this.#deps.peers.behind().includes(account)) await this.fetch(account);
  }

  /** A device of the account says that this version is another record than this device was shown: what does the relay say now? */
  async #investigate(account: string, version: number): Promise<void> {
    const { connection, peers, provider } = this.#deps;
    const known = peers.get(account)?.record;
    const receipt = known?.version === version ? known.receipt : undefined;
    let evidence: RecordEvidence | undefined;
    try {
      const now = await this.check(account, await connection.request("getAccount", { account }));
      evidence = receipt && (await evidenceIn(provider, [receipt, now.receipt]));
    } finally {
      this.#tell(account, version, receipt, evidence);
    }
  }

  #tell(account: string, version: number, receipt: Signed | undefined, evidence: RecordEvidence | undefined): void {
    this.#deps.equivocation(equivocation(account, version, receipt, evidence));
  }

  /** The pinned key; `key` itself where there was none. */
  #pin(key: string): Promise<string> {
    const pinned = this.#pinning.then(async () => {
      if (this.#receiptKey !== undefined) return this.#receiptKey;
      await this.#deps.store.commit([{ key: receiptKeyName, value: utf8(key) }]);
      return (this.#receiptKey = key);
    });
    this.#pinning = pinned.catch(() => {});
    return pinned;
  }

  #reported(why: string): TacitError {
    const error = new TacitError("identity_invalid", why);
    this.#deps.failed(error);
    return error;
  }
}

function shownBy(record: CheckedRecord): Shown {
  const { account, accountKey, rotations } = record;
  return { account, accountKey, formerKeys: rotations.map(({ from }) => from), record };
}
