/** Linking on the device that holds the account key: finds the offer that a code names, and certifies who made it. */
import { encodeBase64Url } from "@tacit/protocol";
import type { Connection } from "../connection/connection.ts";
import { TacitError } from "../errors.ts";
import { HeldOffers } from "./heldOffers.ts";
import { handOver } from "./historyHandOver.ts";
import type { BlobTransfer, Clock } from "../ports.ts";
import type { SealedStore } from "../sealedStore.ts";
import type { LinkOfferMessage } from "../session/identity/accountMessage.ts";
import { concat, parseJson, sameBytes, utf8 } from "../session/bytes.ts";
import type { Change } from "../session/conversationStore.ts";
import { sha256, type CryptoContext } from "../session/cryptoContext.ts";
import { isDeviceName } from "../session/identity/deviceNames.ts";
import type { ArchivedConversation } from "../session/history/historyArchive.ts";
import { pskOf, type HandedHistory } from "../session/linking/linkAnswer.ts";
import { parseLinkCode, type LinkCode } from "../session/linking/linkCode.ts";
import {
  isOfferCurrent,
  isOfferFor,
  linkCodeLifetime,
  openOffer,
  type LinkOffer,
} from "../session/linking/linkOffer.ts";
import type { Intent } from "../session/identity/recordTask.ts";
import { translate } from "../translate.ts";

export interface HolderLinkingDeps {
  readonly store: SealedStore;
  readonly crypto: CryptoContext;
  readonly clock: Clock;
  readonly connection: Pick<Connection, "request" | "now">;
  readonly blobs: BlobTransfer;
  /** Looks into the inbox now; the offers that it finds come by `offered`. */
  readonly readInbox: () => Promise<void>;
  readonly history: () => Promise<readonly ArchivedConversation[]>;
  readonly failed: (error: TacitError) => void;
  readonly account: () => string;
  /** What waits to come to the relay, from a life before, and until when. */
  readonly interrupted: () => { readonly intent: Intent; readonly landed: () => Promise<void> } | undefined;
  /** Makes the next version of the record and stores `more` with it; resolves when the relay has it. */
  readonly change: (intent: Intent, more: readonly Change[]) => Promise<void>;
}

const usedCodesKey = "a/used";
/** Milliseconds that the holder waits for the offer of the device whose code it was given: longer than that one takes to repeat it. */
const offerPatience = 95_000;
const inboxInterval = 5_000;
/** Longer than any code could be taken for a current one. */
const usedCodesKept = 6 * linkCodeLifetime;

export class HolderLinking {
  readonly #deps: HolderLinkingDeps;
  readonly #offers: HeldOffers;
  /** On their way, by their codes. */
  readonly #links = new Map<string, Promise<string>>();
  #isClosed = false;

  constructor(deps: HolderLinkingDeps) {
    this.#deps = deps;
    this.#offers = new HeldOffers(deps.clock);
  }

  /** Somebody offers. */
  offered(offer: LinkOfferMessage): void {
    this.#offers.add(offer);
  }

  /**
   * The device that was linked, when the relay has the record with it.
   * @throws TacitError `link_code_invalid`, `link_expired`, `invalid_argument`, `too_large`
   */
  async link(input: string, name: string | undefined): Promise<string> {
    const { provider } = this.#deps.crypto;
    const code = parseLinkCode(input);
    if (code === undefined) throw new TacitError("link_code_invalid", "linkDevice: not the code of a new device");
    if (name !== undefined && !isDeviceName(name)) throw badName();
    // Names the code without telling it.
    const key = encodeBase64Url(sha256(provider, concat(utf8("tacit used code 1\0"), code.secret, code.offerHash)));
    let link = this.#links.get(key);
    if (link === undefined) {
      link = this.#link(code, key, name).finally(() => this.#links.delete(key));
      this.#links.set(key, link);
    }
    return link;
  }

  close(): void {
    this.#isClosed = true;
    this.#offers.close();
  }

  async #link(code: LinkCode, key: string, name: string | undefined): Promise<string> {
    const interrupted = this.#deps.interrupted();
    if (interrupted?.intent.kind === "link" && isOfOffer(code, interrupted.intent.recipient.offer)) {
      await interrupted.landed();
      return interrupted.intent.keys.device;
    }
    if ((await this.#usedCodes()).has(key)) throw linkExpired("the code was used");
    const offer = await this.#offerFor(code);
    if (this.#isClosed) throw new TacitError("closed", "the client was closed");
    if (offer === undefined) throw linkExpired("no device offers itself under this code");
    this.#requireFitting(offer);
    const { keys, hpkeKey, account } = offer;
    const recipient = { account, device: keys.device, hpkeKey, offer: offer.hash, psk: pskOf(code.secret) };
    const history = await this.#handOver();
    const used = new Map([...(await this.#usedCodes()), [key, this.#deps.clock.now()]]);
    await this.#deps.change({ kind: "link", keys, name: name ?? offer.name, recipient, history }, [
      { key: usedCodesKey, value: utf8(JSON.stringify(Object.fromEntries(used))) },
    ]);
    return keys.device;
  }

  #requireFitting(offer: LinkOffer): void {
    const { crypto, account, connection } = this.#deps;
    if (offer.account !== account() || !Object.hasOwn(offer.keys.signatureKeys, String(crypto.suite.id))) {
      throw new TacitError("link_code_invalid", "linkDevice: the device is of another account or deployment");
    }
    if (!isOfferCurrent(offer, connection.now())) throw linkExpired("the code is older than ten minutes");
  }

  /** Looks into the inbox until it is there: a doorbell may be lost. */
  async #offerFor(code: LinkCode): Promise<(LinkOffer & { readonly hash: Uint8Array }) | undefined> {
    const { crypto, clock, readInbox } = this.#deps;
    const { provider } = crypto;
    let cancel = (): void => {};
    const look = (): void => {
      readInbox().catch(() => {});
      cancel = clock.after(inboxInterval, look);
    };
    const found = this.#offers.find((message) => {
      if (!isOfferFor(provider, code, message)) return undefined;
      const offer = openOffer(provider, code, message);
      return offer && { ...offer, hash: sha256(provider, message.offer) };
    }, offerPatience);
    look();
    return found.finally(() => cancel());
  }

  /** Undefined where there is none, or it could not be brought up: the device is linked without. */
  async #handOver(): Promise<HandedHistory | undefined> {
    const { connection, blobs, crypto, history, failed } = this.#deps;
    try {
      return await handOver({ connection, blobs, provider: crypto.provider }, await history());
    } catch (error) {
      failed(translate(error));
      return undefined;
    }
  }

  async #usedCodes(): Promise<ReadonlyMap<string, number>> {
    const { store, clock } = this.#deps;
    const stored = await store.get(usedCodesKey);
    const used = stored === undefined ? [] : Object.entries(parseJson(stored) as Readonly<Record<string, number>>);
    const now = clock.now();
    return new Map(used.filter(([, at]) => Math.abs(now - at) < usedCodesKept));
  }
}

function isOfOffer({ offerHash }: LinkCode, offer: Uint8Array): boolean {
  return sameBytes(offerHash, offer.subarray(0, offerHash.length));
}

export function linkExpired(why: string): TacitError {
  return new TacitError("link_expired", `linkDevice: ${why}`);
}

export function badName(): TacitError {
  return new TacitError("invalid_argument", "a device's name is visible, at most 48 bytes");
}
