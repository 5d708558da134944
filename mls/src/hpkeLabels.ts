/** LabeledExtract and LabeledExpand: RFC 9180, section 4. */
import { concatBytes, integerBytes, wipe } from "./bytes.ts";
import { hkdfExpand } from "./hkdf.ts";
import type { HashFunction } from "./provider.ts";

const encoder = new TextEncoder();
const version = encoder.encode("HPKE-v1");

export function labeledExtract(
  hash: HashFunction,
  suiteId: Uint8Array,
  salt: Uint8Array,
  label: string,
  ikm: Uint8Array,
): Uint8Array {
  const input = concatBytes(version, suiteId, encoder.encode(label), ikm);
  const result = hash.hmac(salt, input);
  wipe(input);
  return result;
}

export function labeledExpand(
  hash: HashFunction,
  suiteId: Uint8Array,
  prk: Uint8Array,
  label: string,
  info: Uint8Array,
  length: number,
): Uint8Array {
  return hkdfExpand(
    hash,
    prk,
    concatBytes(integerBytes(length, 2), version, suiteId, encoder.encode(label), info),
    length,
  );
}
