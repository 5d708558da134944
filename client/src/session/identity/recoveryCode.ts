/**
 * The recovery code: 160 random bits that are shown once and written down. It is nobody's password: there is nothing to guess, so one
 * round of HKDF makes the key of it.
 *
 *     backup key = HKDF-SHA256(code, no salt, "tacit backup key 1", 32)
 *
 * Devices keep the key, so that backups go on by themselves, and never the code.
 */
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { decodeCode, encodeCode } from "../base32.ts";
import { utf8, wipe } from "../bytes.ts";

const codeLength = 20;
const label = "tacit backup key 1";

/** `text`: what is shown, nine groups of four. */
export function newRecoveryCode(random: (length: number) => Uint8Array): {
  readonly text: string;
  readonly key: Uint8Array;
} {
  const code = random(codeLength);
  const made = { text: encodeCode(code), key: keyOf(code) };
  wipe([code]);
  return made;
}

/** The backup key. Undefined where `text` is no recovery code, because of a slip of the pen. */
export function readRecoveryCode(text: string): Uint8Array | undefined {
  const code = decodeCode(text, codeLength);
  if (code === undefined) return undefined;
  const key = keyOf(code);
  wipe([code]);
  return key;
}

function keyOf(code: Uint8Array): Uint8Array {
  return hkdf(sha256, code, undefined, utf8(label), 32);
}
