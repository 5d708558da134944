/**
 * The relay's receipts for account records, and what two of them prove (protocol/src/accountRecord.ts). A receipt says: this is the
 * record of that version, as this deployment shows it. Two of one version with different hashes prove, to anybody who knows the
 * deployment's key, that it showed people different accounts.
 */
import {
  decodeBase64Url,
  recordReceipt,
  recordReceiptLabel,
  signedBytes,
  type RecordReceipt,
  type Signed,
} from "@tacit/protocol";
import { parseJson } from "../bytes.ts";
import type { CryptoProvider } from "../cryptoContext.ts";
import { parse } from "../parse.ts";

/** This device's guess of the relay's clock is off by as much as its own clock is set anew while it is connected. */
const leeway = 24 * 60 * 60_000;

/** What a receipt says, where its signature holds under the key that it names. */
export async function verifyReceipt(provider: CryptoProvider, signed: Signed): Promise<RecordReceipt | undefined> {
  const payload = decodeBase64Url(signed.payload);
  const receipt = parse(recordReceipt, parseJson(payload));
  if (receipt === undefined) return undefined;
  const holds = await provider.signatures.Ed25519.verify(
    decodeBase64Url(receipt.key),
    signedBytes(recordReceiptLabel, payload),
    decodeBase64Url(signed.signature),
  );
  return holds ? receipt : undefined;
}

/** Whether it was given for this record, and not later than `now`. */
export function isReceiptFor(
  { account, version, hash, at }: RecordReceipt,
  record: { readonly account: string; readonly version: number; readonly hash: string },
  now: number,
): boolean {
  return account === record.account && version === record.version && hash === record.hash && at <= now + leeway;
}

/** Proof that the relay showed two records of one version. */
export interface RecordEvidence {
  readonly account: string;
  readonly version: number;
  readonly receipts: readonly [Signed, Signed];
}

/** Undefined where the two prove nothing: a signature does not hold, the keys differ, or they say the same. */
export async function evidenceIn(
  provider: CryptoProvider,
  receipts: readonly [Signed, Signed],
): Promise<RecordEvidence | undefined> {
  const [a, b] = [await verifyReceipt(provider, receipts[0]), await verifyReceipt(provider, receipts[1])];
  if (a === undefined || b === undefined || a.key !== b.key) return undefined;
  if (a.account !== b.account || a.version !== b.version || a.hash === b.hash) return undefined;
  return { account: a.account, version: a.version, receipts };
}

/** For whoever is shown evidence: does it hold against the deployment whose receipt key (base64url) is known? */
export async function verifyEvidence(
  provider: CryptoProvider,
  { account, version, receipts }: RecordEvidence,
  receiptKey: string,
): Promise<boolean> {
  const found = await evidenceIn(provider, receipts);
  if (found?.account !== account || found.version !== version) return false;
  return (await verifyReceipt(provider, receipts[0]))?.key === receiptKey;
}
