/** Pre-shared keys: RFC 9420, sections 8.4 and 8.6. */
import type { CipherSuite, MaybePromise } from "./cipherSuite.ts";
import { decodeFailed, Writer, type Reader } from "./codec.ts";

export type ResumptionUsage = "application" | "reinit" | "branch";

export interface ExternalPskId {
  readonly type: "external";
  readonly pskId: Uint8Array;
  readonly nonce: Uint8Array;
}
export interface ResumptionPskId {
  readonly type: "resumption";
  readonly usage: ResumptionUsage;
  readonly groupId: Uint8Array;
  readonly epoch: bigint;
  readonly nonce: Uint8Array;
}
export type PreSharedKeyId = ExternalPskId | ResumptionPskId;

/**
 * Finds the secret of an external PSK, or of another group's resumption PSK (see `resumptionPsk`); `undefined` when this
 * device does not have it. The group's own resumption PSKs are found in its state first.
 */
export type PskLookup = (id: PreSharedKeyId) => MaybePromise<Uint8Array | undefined>;

export interface Psk {
  readonly id: PreSharedKeyId;
  readonly secret: Uint8Array;
}

const pskTypes = { external: 1, resumption: 2 } as const;
const usages: readonly ResumptionUsage[] = ["application", "reinit", "branch"];

export function writePskId(writer: Writer, id: PreSharedKeyId): void {
  writer.uint8(pskTypes[id.type]);
  if (id.type === "external") {
    writer.opaque(id.pskId);
  } else {
    writer.uint8(usages.indexOf(id.usage) + 1);
    writer.opaque(id.groupId);
    writer.uint64(id.epoch);
  }
  writer.opaque(id.nonce);
}

export function readPskId(reader: Reader): PreSharedKeyId {
  switch (reader.uint8()) {
    case pskTypes.external:
      return { type: "external", pskId: reader.opaque(), nonce: reader.opaque() };
    case pskTypes.resumption: {
      const usage = usages[reader.uint8() - 1];
      if (usage === undefined) throw decodeFailed("the resumption PSK's usage is unknown");
      return { type: "resumption", usage, groupId: reader.opaque(), epoch: reader.uint64(), nonce: reader.opaque() };
    }
    default:
      throw decodeFailed("the PSK's type is unknown");
  }
}

/** Section 8.4: the PSKs in the order of their proposals. All zero when there is none. */
export function derivePskSecret(suite: CipherSuite, psks: readonly Psk[]): Uint8Array {
  const zero = new Uint8Array(suite.hashLength);
  let secret: Uint8Array = zero;
  psks.forEach((psk, index) => {
    const label = new Writer();
    writePskId(label, psk.id);
    label.uint16(index);
    label.uint16(psks.length);
    const extracted = suite.extract(zero, psk.secret);
    const input = suite.expandWithLabel(extracted, "derived psk", label.finish(), suite.hashLength);
    const next = suite.extract(input, secret);
    extracted.fill(0);
    input.fill(0);
    secret.fill(0);
    secret = next;
  });
  return secret;
}
