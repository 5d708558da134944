/**
 * What devices of one account send each other through their inboxes, as UTF-8 JSON. The relay says who sent it and can say anything, so
 * each kind is authentic in itself or does no harm:
 *
 *     { "v": 1, "kind": "linkOffer", "offer", "mac" }             a new device to all (linkOffer.ts)
 *     { "v": 1, "kind": "linkAnswer", "offer", "kem", "sealed" }  the holder to the new device (linkAnswer.ts)
 *     { "v": 1, "kind": "accountRecord", "version", "secret"? }   the holder to the others: there is a new version of the record, and a
 *                                                                 renewed secret where it revokes a device (renewedSecret.ts); a
 *                                                                 linked device to the others: it can be reached now
 */
import { encodeBase64Url, signed, type Signed } from "@tacit/protocol";
import { isCount, parseJson, utf8 } from "../bytes.ts";
import { bytesOf, parse } from "../parse.ts";

export interface LinkOfferMessage {
  readonly kind: "linkOffer";
  readonly offer: Uint8Array;
  readonly mac: Uint8Array;
}

export interface LinkAnswerMessage {
  readonly kind: "linkAnswer";
  /** SHA-256 of the offer that it answers. */
  readonly offer: Uint8Array;
  readonly kem: Uint8Array;
  readonly sealed: Uint8Array;
}

export interface AccountRecordMessage {
  readonly kind: "accountRecord";
  readonly version: number;
  readonly secret?: Signed;
}

export type AccountMessage = LinkOfferMessage | LinkAnswerMessage | AccountRecordMessage;

const signedSecret = signed(4_096);

export function encodeAccountMessage(message: AccountMessage): Uint8Array {
  return utf8(JSON.stringify({ v: 1, ...fieldsOf(message) }));
}

function fieldsOf(message: AccountMessage): object {
  switch (message.kind) {
    case "linkOffer": {
      const { kind, offer, mac } = message;
      return { kind, offer: encodeBase64Url(offer), mac: encodeBase64Url(mac) };
    }
    case "linkAnswer": {
      const { kind, offer, kem, sealed } = message;
      return { kind, offer: encodeBase64Url(offer), kem: encodeBase64Url(kem), sealed: encodeBase64Url(sealed) };
    }
    case "accountRecord":
      return message;
  }
}

/** Undefined where it is none of these. */
export function decodeAccountMessage(bytes: Uint8Array): AccountMessage | undefined {
  const message = parseJson(bytes);
  if (message?.["v"] !== 1) return undefined;
  switch (message["kind"]) {
    case "linkOffer": {
      const [offer, mac] = [bytesOf(message["offer"]), bytesOf(message["mac"])];
      return offer && mac && { kind: "linkOffer", offer, mac };
    }
    case "linkAnswer": {
      const [offer, kem, sealed] = [bytesOf(message["offer"]), bytesOf(message["kem"]), bytesOf(message["sealed"])];
      return offer && kem && sealed && { kind: "linkAnswer", offer, kem, sealed };
    }
    case "accountRecord": {
      const { version, secret } = message;
      if (!isCount(version)) return undefined;
      if (secret === undefined) return { kind: "accountRecord", version };
      const renewed = parse(signedSecret, secret);
      return renewed && { kind: "accountRecord", version, secret: renewed };
    }
    default:
      return undefined;
  }
}
