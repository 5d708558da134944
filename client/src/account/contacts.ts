/** What the application knows and says of other accounts: whether their key was compared, and whom it does not want to hear from. */
import { decodeBase64Url } from "@tacit/protocol";
import type { AccountRecords } from "./accountRecords.ts";
import { TacitError } from "../errors.ts";
import type { PeerBook } from "./peerBook.ts";
import { sha256, type CryptoProvider } from "../session/cryptoContext.ts";
import type { Peer } from "../session/identity/peers.ts";
import { isSameNumber, safetyNumber, type Person, type SafetyNumber } from "../session/identity/safetyNumber.ts";
import { translate } from "../translate.ts";

export interface Contact {
  readonly account: string;
  /** Two people compared the key that it has. */
  readonly verified: boolean;
  /** The application does not want to hear from it. */
  readonly blocked: boolean;
  /** It shows another key than the pinned one: nothing is sent before `acceptIdentity`, or `verify`. */
  readonly keyChanged: boolean;
  /** The pinned key signed the way to the one that is shown, as that of an account does that was recovered. */
  readonly proven: boolean;
  /** The relay told of two different records of one version. */
  readonly recordsDiffer: boolean;
  /** SHA-256 of the key that it shows, hexadecimal; undefined where this device has not met it. */
  readonly accountKeyFingerprint: string | undefined;
}

export interface ContactsDeps {
  readonly peers: PeerBook;
  readonly records: AccountRecords;
  readonly provider: CryptoProvider;
  /** The own account. */
  readonly self: () => Person;
}

export class Contacts {
  readonly #deps: ContactsDeps;

  constructor(deps: ContactsDeps) {
    this.#deps = deps;
  }

  /** Undefined where nothing is known of it. */
  contact(account: string): Contact | undefined {
    const { peers, provider } = this.#deps;
    const peer = peers.get(account);
    const blocked = peers.isShunned(account);
    if (peer === undefined && !blocked) return undefined;
    const print = peer && sha256(provider, decodeBase64Url(keyOf(peer)));
    return {
      account,
      verified: peer?.verified === true,
      blocked,
      keyChanged: peer?.shown !== undefined,
      proven: peer?.proven !== undefined,
      recordsDiffer: peer?.differs !== undefined,
      accountKeyFingerprint: print && Array.from(print, (byte) => byte.toString(16).padStart(2, "0")).join(""),
    };
  }

  /** Of the key that the account shows now. @throws TacitError `unknown_account`, `identity_invalid`, `connection_lost` */
  async safetyNumber(account: string): Promise<SafetyNumber> {
    return this.#numberFor(account, keyOf(await this.#peer(account)));
  }

  /**
   * Holds what was scanned or typed against the number of the key that the account shows, and of the one that was pinned before: the one
   * that fits is pinned, and verified. False: it is another number.
   * @throws TacitError `invalid_argument` where it is no number at all, and as `safetyNumber`
   */
  async verify(account: string, scanned: string): Promise<boolean> {
    const peer = await this.#peer(account);
    for (const key of [keyOf(peer), peer.pinned]) {
      const isSame = isSameNumber(this.#numberFor(account, key), scanned);
      if (isSame === undefined) throw new TacitError("invalid_argument", "verify: not a safety number");
      if (!isSame) continue;
      await this.#deps.peers.verify(account, key);
      return true;
    }
    return false;
  }

  #numberFor(account: string, key: string): SafetyNumber {
    const { provider, self } = this.#deps;
    return safetyNumber(provider, self(), { account, accountKey: decodeBase64Url(key) });
  }

  async #peer(account: string): Promise<Peer> {
    const { peers, records, self } = this.#deps;
    if (account === self().account) throw new TacitError("invalid_argument", "name another account");
    const known = peers.get(account);
    if (known !== undefined) return known;
    try {
      await records.fetch(account);
    } catch (error) {
      throw translate(error);
    }
    const met = peers.get(account);
    if (met === undefined) throw new Error("whose record was taken was met");
    return met;
  }
}

function keyOf({ shown, pinned }: Peer): string {
  return shown ?? pinned;
}
