/**
 * How an account went on under another account key: each key before signs for the one after it (protocol/src/accountRecord.ts), and the
 * chain travels in the record and in each certificate. So a peer that pinned a key before can prove that the new one followed it.
 */
import type { KeyPair } from "@tacit/mls";
import {
  accountRotationLabel,
  accountRotationText,
  decodeBase64Url,
  encodeBase64Url,
  longestRotations,
  signedBytes,
  type AccountRotation,
} from "@tacit/protocol";
import { utf8 } from "../bytes.ts";
import type { CryptoProvider } from "../cryptoContext.ts";

/** The chain, as far as it travels, after `account` went from the key `from` to `to` (base64url). */
export async function rotated(
  provider: CryptoProvider,
  account: string,
  before: readonly AccountRotation[],
  from: KeyPair,
  to: string,
): Promise<readonly AccountRotation[]> {
  const old = encodeBase64Url(from.publicKey);
  const signature = await provider.signatures.Ed25519.sign(from.privateKey, rotationBytes(account, old, to));
  return [...before, { from: old, signature: encodeBase64Url(signature) }].slice(-longestRotations);
}

/** Does each key of the chain sign for the next, the last for `accountKey`, and does none come back? */
export async function verifyRotations(
  provider: CryptoProvider,
  account: string,
  rotations: readonly AccountRotation[],
  accountKey: string,
): Promise<boolean> {
  const keys = [...rotations.map(({ from }) => from), accountKey];
  if (new Set(keys).size < keys.length) return false;
  for (const [index, { from, signature }] of rotations.entries()) {
    const message = rotationBytes(account, from, keys[index + 1]!);
    const key = decodeBase64Url(from);
    if (!(await provider.signatures.Ed25519.verify(key, message, decodeBase64Url(signature)))) return false;
  }
  return true;
}

export function sameRotations(a: readonly AccountRotation[], b: readonly AccountRotation[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ from, signature }, index) => from === b[index]!.from && signature === b[index]!.signature)
  );
}

function rotationBytes(account: string, from: string, to: string): Uint8Array {
  return signedBytes(accountRotationLabel, utf8(accountRotationText(account, from, to)));
}
