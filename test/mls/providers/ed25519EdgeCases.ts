/**
 * Ed25519 signatures that verifiers disagree about (https://eprint.iacr.org/2020/1244): points with a torsion part, of small order,
 * in encodings that are not canonical, and s >= L. All providers have to decide them alike.
 */
import { createHash } from "node:crypto";
import { concatBytes } from "../../../mls/src/bytes.ts";
import { fromHex, hex, utf8 } from "./support.ts";

export interface EdgeCase {
  readonly name: string;
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
  readonly valid: boolean;
}

const prime = 2n ** 255n - 19n;
const order = 2n ** 252n + 27742317777372353535851937790883648493n;

function power(base: bigint, exponent: bigint): bigint {
  let [result, square] = [1n, base];
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % prime;
    square = (square * square) % prime;
  }
  return result;
}

function inverse(value: bigint): bigint {
  return power(value, prime - 2n);
}

const d = (prime - ((121665n * inverse(121666n)) % prime)) % prime;

/** RFC 8032, section 5.1, in affine coordinates: slow and obvious, and not the code under test. */
class Point {
  readonly x: bigint;
  readonly y: bigint;

  constructor(x: bigint, y: bigint) {
    this.x = ((x % prime) + prime) % prime;
    this.y = ((y % prime) + prime) % prime;
  }

  static fromY(y: bigint, odd: boolean): Point {
    const square = ((y * y - 1n) * inverse((((d * y) % prime) * y + 1n) % prime)) % prime;
    let x = power(square, (prime + 3n) / 8n);
    if ((x * x - square) % prime !== 0n) x = (x * power(2n, (prime - 1n) / 4n)) % prime;
    return new Point(((x & 1n) === 1n) === odd ? x : -x, y);
  }

  add(other: Point): Point {
    const product = (((((d * this.x) % prime) * other.x) % prime) * ((this.y * other.y) % prime)) % prime;
    return new Point(
      (this.x * other.y + this.y * other.x) * inverse(1n + product),
      (this.y * other.y + this.x * other.x) * inverse(prime + 1n - product),
    );
  }

  negate(): Point {
    return new Point(-this.x, this.y);
  }

  multiply(scalar: bigint): Point {
    let [result, square]: [Point, Point] = [zero, this];
    for (let rest = scalar; rest > 0n; rest >>= 1n) {
      if (rest & 1n) result = result.add(square);
      square = square.add(square);
    }
    return result;
  }

  toBytes(): Uint8Array {
    return littleEndian(this.y | ((this.x & 1n) << 255n));
  }
}

const zero = new Point(0n, 1n);
const basePoint = Point.fromY((4n * inverse(5n)) % prime, false);
const message = utf8("attack at dawn");
const [secret, nonce] = [123456789n, 987654321n];

function littleEndian(value: bigint): Uint8Array {
  return fromHex(value.toString(16).padStart(64, "0")).reverse();
}

function bigint(littleEndianBytes: Uint8Array): bigint {
  return BigInt(`0x${hex(Uint8Array.from(littleEndianBytes).reverse())}`);
}

function challenge(commitment: Uint8Array, publicKey: Uint8Array): bigint {
  return bigint(createHash("sha512").update(commitment).update(publicKey).update(message).digest()) % order;
}

/** The signature by `secret` for whatever encodings of key and commitment it is given. */
function sign(publicKey: Uint8Array, commitment: Uint8Array): Uint8Array {
  return concatBytes(commitment, littleEndian((nonce + challenge(commitment, publicKey) * secret) % order));
}

export function ed25519EdgeCases(): readonly EdgeCase[] {
  const cases: EdgeCase[] = [];
  const add = (name: string, publicKey: Uint8Array, signature: Uint8Array, valid: boolean) =>
    cases.push({ name, publicKey, message, signature, valid });

  const [key, commitment] = [basePoint.multiply(secret), basePoint.multiply(nonce)];
  const [honestKey, honestCommitment] = [key.toBytes(), commitment.toBytes()];
  const honest = sign(honestKey, honestCommitment);
  add("honest", honestKey, honest, true);
  const s = bigint(honest.slice(32));
  add("s + L", honestKey, concatBytes(honestCommitment, littleEndian(s + order)), false);

  // Valid by the cofactored equation; by the cofactorless one only where the torsion parts happen to cancel.
  const torsion = Point.fromY(
    bigint(fromHex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")),
    false,
  );
  const torsions = [zero, ...[1n, 2n, 3n, 4n, 5n, 6n, 7n].map((multiple) => torsion.multiply(multiple))];
  torsions.forEach((shift, index) => {
    const shifted = commitment.add(shift).toBytes();
    if (index > 0) add(`commitment + ${index}T`, honestKey, sign(honestKey, shifted), false);
    const mixedKey = key.add(torsion);
    const signature = sign(mixedKey.toBytes(), shifted);
    const k = challenge(shifted, mixedKey.toBytes());
    const expected = basePoint
      .multiply(bigint(signature.slice(32)))
      .add(mixedKey.multiply(k).negate())
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
    add(`key ${name}, commitment 0`, point, concatBytes(zero.toBytes(), new Uint8Array(32)), false);
    const k = challenge(point, honestKey);
    add(`commitment ${name}`, honestKey, concatBytes(point, littleEndian((k * secret) % order)), false);
  }
  return cases;
}
