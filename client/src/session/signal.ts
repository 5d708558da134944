/**
 * Ephemeral signals: UTF-8 JSON `{ "v": 1, "kind": "typing", "active", "at" }`, bound to the sender's leaf and signed with
 * its key, sealed for the epoch:
 *
 *     payload = nonce (24) || XChaCha20-Poly1305(key, nonce, aad = epoch (8), leaf (4) || signature length (2) || signature || body)
 *     key = MLS-Exporter("tacit signal", conversation, 32)
 *     signature = SignWithLabel(leaf's key, "TacitSignal", conversation 0x00 || epoch || leaf || nonce || body)
 *
 * So signals burn no message keys. One that cannot be opened is dropped: it was for another epoch, or not for us.
 */
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { concat, isCount, parseJson, uint64, utf8 } from "./bytes.ts";
import type { CryptoContext } from "./cryptoContext.ts";
import { epochOf, exportKey, identityAt, ownLeafIndex, signatureKeyAt, type Group } from "./group/group.ts";
import type { LeafIdentity } from "./group/authenticate.ts";

export interface Signal {
  readonly kind: "typing";
  readonly active: boolean;
  /** The sender's clock. */
  readonly at: number;
}

const nonceLength = 24;
const signatureLabel = "TacitSignal";

export async function sealSignal(
  { suite }: CryptoContext,
  group: Group,
  conversation: string,
  signaturePrivateKey: Uint8Array,
  signal: Signal,
): Promise<Uint8Array> {
  const body = utf8(JSON.stringify({ v: 1, ...signal }));
  const nonce = suite.random(nonceLength);
  const leaf = uint32(ownLeafIndex(group));
  const epoch = uint64(Number(epochOf(group)));
  const signed = concat(utf8(`${conversation}\0`), epoch, leaf, nonce, body);
  const signature = await suite.signWithLabel(signaturePrivateKey, signatureLabel, signed);
  const length = Uint8Array.of(signature.length >> 8, signature.length & 255);
  const key = exportKey(group, "tacit signal", utf8(conversation), 32);
  const sealed = xchacha20poly1305(key, nonce, epoch).encrypt(concat(leaf, length, signature, body));
  key.fill(0);
  return concat(nonce, sealed);
}

/** Undefined where it is not authentic, or not of this version. */
export async function openSignal(
  { suite }: CryptoContext,
  group: Group,
  conversation: string,
  payload: Uint8Array,
): Promise<{ readonly from: LeafIdentity; readonly signal: Signal } | undefined> {
  const nonce = payload.subarray(0, nonceLength);
  const epoch = uint64(Number(epochOf(group)));
  const key = exportKey(group, "tacit signal", utf8(conversation), 32);
  let plain: Uint8Array;
  try {
    plain = xchacha20poly1305(key, nonce, epoch).decrypt(payload.subarray(nonceLength));
  } catch {
    return undefined;
  } finally {
    key.fill(0);
  }
  if (plain.length < 6) return undefined;
  const view = new DataView(plain.buffer, plain.byteOffset, plain.byteLength);
  const leafIndex = view.getUint32(0);
  const signatureEnd = 6 + view.getUint16(4);
  const signature = plain.subarray(6, signatureEnd);
  const body = plain.subarray(signatureEnd);
  const signatureKey = signatureKeyAt(group, leafIndex);
  if (signatureKey === undefined || leafIndex === ownLeafIndex(group)) return undefined;
  const signed = concat(utf8(`${conversation}\0`), epoch, plain.subarray(0, 4), nonce, body);
  if (!(await suite.verifyWithLabel(signatureKey, signatureLabel, signed, signature))) return undefined;
  const content = parseJson(body);
  if (content?.["v"] !== 1 || content["kind"] !== "typing") return undefined;
  const { active, at } = content;
  if (typeof active !== "boolean" || !isCount(at)) return undefined;
  return { from: identityAt(group, leafIndex), signal: { kind: "typing", active, at } };
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}
