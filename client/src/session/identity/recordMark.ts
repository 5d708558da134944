/** Names one version of an account's record: so much of it travels inside messages. */
import { decodeBase64Url, encodeBase64Url, hash, type Signed } from "@tacit/protocol";
import { isCount } from "../bytes.ts";
import { sha256, type CryptoProvider } from "../cryptoContext.ts";
import { parse } from "../parse.ts";

export interface RecordMark {
  readonly version: number;
  /** SHA-256 of the record's payload, base64url. */
  readonly hash: string;
}

export function markOf(provider: CryptoProvider, version: number, { payload }: Pick<Signed, "payload">): RecordMark {
  return { version, hash: encodeBase64Url(sha256(provider, decodeBase64Url(payload))) };
}

export function decodeRecordMark(value: unknown): RecordMark | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { version, hash: mark } = value as Readonly<Record<string, unknown>>;
  if (!isCount(version) || version === 0 || parse(hash, mark) === undefined) return undefined;
  return { version, hash: mark as string };
}
