/**
 * What two people compare, to know that nobody stands between them: 60 digits to read out, or a payload to scan. Both sides have the same.
 *
 *     h(0)  = SHA-256("tacit safety number 1" 0x00 || length of account (2) || account || account key)
 *     h(i)  = SHA-256(h(i - 1) || account key)                                         i = 1 … 5,200
 *     print = h(5,200)
 *
 *     text  = the two prints in the order of their accounts, each as 30 digits: big-endian, modulo 10^30
 *     qr    = "tacit-safety:1:" || base64url of both prints, in the same order
 *
 * The account is in its print, so keys cannot be exchanged between two people, nor a number be shown for somebody else's. Each half
 * stands for one key by itself: who wants to be taken for Bob needs a key whose print has Bob's 30 digits: 2^99.6 tries of 5,201
 * hashes each, 2^112 in all, for Bob alone; and between two people one needs it twice. A scan compares 256
 * bits of each. What is hashed are account keys, so that a person has one number, however many devices they have.
 */
import { encodeBase64Url } from "@tacit/protocol";
import { concat, utf8 } from "../bytes.ts";
import { sha256, type CryptoProvider } from "../cryptoContext.ts";

export interface SafetyNumber {
  /** Twelve groups of five digits, blanks between them. */
  readonly text: string;
  /** For a QR code. */
  readonly qr: string;
}

/** An account, and its account key. */
export interface Person {
  readonly account: string;
  readonly accountKey: Uint8Array;
}

const label = utf8("tacit safety number 1\0");
const qrPrefix = "tacit-safety:1:";
const rounds = 5_200;
const digitsEach = 30;

/** The same whichever of the two is named first. */
export function safetyNumber(provider: CryptoProvider, a: Person, b: Person): SafetyNumber {
  const prints = [a, b].sort((x, y) => (x.account < y.account ? -1 : 1)).map((person) => printOf(provider, person));
  const digits = prints.map(digitsOf).join("");
  return {
    text: digits.match(/.{5}/g)!.join(" "),
    qr: qrPrefix + encodeBase64Url(concat(...prints)),
  };
}

/** Whether what was scanned or typed is `expected`. Undefined where it is neither a safety number nor such a payload. */
export function isSameNumber(expected: SafetyNumber, scanned: string): boolean | undefined {
  const payload = scanned.trim();
  if (payload.startsWith(qrPrefix)) return isSame(expected.qr, payload);
  const digits = scanned.normalize("NFKC").replace(/[\s\-.]/g, "");
  if (!/^[0-9]{60}$/.test(digits)) return undefined;
  return isSame(expected.text.replaceAll(" ", ""), digits);
}

function printOf(provider: CryptoProvider, { account, accountKey }: Person): Uint8Array {
  const name = utf8(account);
  const length = Uint8Array.of(name.length >> 8, name.length & 255);
  let hash = sha256(provider, concat(label, length, name, accountKey));
  for (let round = 0; round < rounds; round++) hash = sha256(provider, concat(hash, accountKey));
  return hash;
}

function digitsOf(print: Uint8Array): string {
  const number = print.reduce((all, byte) => (all << 8n) | BigInt(byte), 0n);
  return String(number % 10n ** BigInt(digitsEach)).padStart(digitsEach, "0");
}

/** Takes as long wherever the two differ. */
function isSame(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i % Math.max(1, b.length));
  return difference === 0;
}
