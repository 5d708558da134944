/** The keys that an account has come from, each of which signed the next (protocol/src/accountRecord.ts). */
import {
  accountRotationLabel,
  accountRotationText,
  decodeBase64Url,
  signedBytes,
  type AccountRotation,
} from "@tacit/protocol";
import { utf8 } from "./bytes.ts";
import type { CryptoProvider } from "./cryptoContext.ts";

/** What signs that `account` goes on under `to`. Keys in base64url. */
export function rotationBytes(account: string, from: string, to: string): Uint8Array {
  return signedBytes(accountRotationLabel, utf8(accountRotationText(account, from, to)));
}

/**
 * The keys before `accountKey`, oldest first, in base64url: whoever held one of them signed the way to `accountKey`. Undefined where a
 * signature does not hold, or a key comes twice.
 */
export async function formerKeys(
  provider: CryptoProvider,
  account: string,
  accountKey: string,
  rotations: readonly AccountRotation[] = [],
): Promise<readonly string[] | undefined> {
  const keys = [...rotations.map(({ from }) => from), accountKey];
  if (new Set(keys).size !== keys.length) return undefined;
  for (const [index, { from, signature }] of rotations.entries()) {
    const holds = await provider.signatures.Ed25519.verify(
      decodeBase64Url(from),
      rotationBytes(account, from, keys[index + 1]!),
      decodeBase64Url(signature),
    );
    if (!holds) return undefined;
  }
  return keys.slice(0, -1);
}
