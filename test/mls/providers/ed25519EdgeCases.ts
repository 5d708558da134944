/**
 * Ed25519 signatures that verifiers disagree about (https://eprint.iacr.org/2020/1244): points with a torsion part, of small order,
 * in encodings that are not canonical, and s >= L. All providers have to decide them alike.
 */
import { ed25519 } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";
import { concatBytes } from "../../../mls/src/bytes.ts";
import { fromHex, hex, utf8 } from "./support.ts";

export interface EdgeCase {
  readonly name: string;
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
  readonly valid: boolean;
}

const { Point } = ed25519;
const order = Point.Fn.ORDER;
const message = utf8("attack at dawn");
const [secret, nonce] = [123456789n, 987654321n];

function littleEndian(value: bigint): Uint8Array {
  return fromHex(value.toString(16).padStart(64, "0")).reverse();
}

function bigint(littleEndianBytes: Uint8Array): bigint {
  return BigInt(`0x${hex(littleEndianBytes.slice().reverse())}`);
}

function challenge(commitment: Uint8Array, publicKey: Uint8Array): bigint {
  return bigint(sha512(concatBytes(commitment, publicKey, message))) % order;
}

/** The signature by `secret` for whatever encodings of key and commitment it is given. */
function sign(publicKey: Uint8Array, commitment: Uint8Array): Uint8Array {
  return concatBytes(commitment, littleEndian((nonce + challenge(commitment, publicKey) * secret) % order));
}

export function ed25519EdgeCases(): readonly EdgeCase[] {
  const cases: EdgeCase[] = [];
  const add = (name: string, publicKey: Uint8Array, signature: Uint8Array, valid: boolean) =>
    cases.push({ name, publicKey, message, signature, valid });

  const [key, commitment] = [Point.BASE.multiply(secret), Point.BASE.multiply(nonce)];
  const [honestKey, honestCommitment] = [key.toBytes(), commitment.toBytes()];
  const honest = sign(honestKey, honestCommitment);
  add("honest", honestKey, honest, true);
  const s = bigint(honest.slice(32));
  add("s + L", honestKey, concatBytes(honestCommitment, littleEndian(s + order)), false);

  // Valid by the cofactored equation; by the cofactorless one only where the torsion parts happen to cancel.
  const torsion = Point.fromBytes(fromHex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"));
  const torsions = [Point.ZERO, ...[1n, 2n, 3n, 4n, 5n, 6n, 7n].map((multiple) => torsion.multiplyUnsafe(multiple))];
  torsions.forEach((shift, index) => {
    const shifted = commitment.add(shift).toBytes();
    if (index > 0) add(`commitment + ${index}T`, honestKey, sign(honestKey, shifted), false);
    const mixedKey = key.add(torsion);
    const signature = sign(mixedKey.toBytes(), shifted);
    const k = challenge(shifted, mixedKey.toBytes());
    const expected = Point.BASE.multiply(bigint(signature.slice(32)))
      .subtract(mixedKey.multiplyUnsafe(k))
      .toBytes();
    add(`key + T, commitment + ${index}T`, mixedKey.toBytes(), signature, hex(expected) === hex(shifted));
  });

  // y = p and y = p + 1 are 0 and 1 in encodings that are not canonical; the last one is 2^255 - 1.
  const notCanonical = ["ed", "ee", "ff"].map((first) => fromHex(`${first}${"ff".repeat(30)}7f`));
  const small = [...torsions.map((point) => point.toBytes()), ...notCanonical];
  small.push(...small.map((point) => concatBytes(point.subarray(0, 31), Uint8Array.of((point[31] ?? 0) ^ 0x80))));
  for (const point of small) {
    const name = hex(point);
    // With a key of small order, s = nonce satisfies the equation whenever k is a multiple of that order.
    add(`key ${name}`, point, concatBytes(honestCommitment, littleEndian(nonce)), false);
    add(`key and commitment ${name}`, point, concatBytes(point, new Uint8Array(32)), false);
    add(`key ${name}, commitment 0`, point, concatBytes(Point.ZERO.toBytes(), new Uint8Array(32)), false);
    const k = challenge(point, honestKey);
    add(`commitment ${name}`, honestKey, concatBytes(point, littleEndian((k * secret) % order)), false);
  }
  return cases;
}
