/**
 * The relay's receipt for one version of a record: whoever holds two of them for one version and different hashes holds proof
 * that the relay showed people different records.
 */
import {
  decodeBase64Url,
  encodeBase64Url,
  recordReceiptLabel,
  signedBytes,
  type RecordReceipt,
  type Signed,
} from "@tacit/protocol";
import type { StoredAccount } from "../ports.ts";
import { digest } from "./digest.ts";
import type { Relay } from "./relay.ts";

/**
 * Signed when it is first asked for, after the record was stored: where the key cannot be reached the record is safe, and
 * whoever asks next signs. Of two who sign at once, both answer with the one that was stored first.
 */
export async function receiptOf(relay: Relay, account: string, stored: StoredAccount): Promise<Signed> {
  if (stored.receipt !== undefined) return stored.receipt;
  const signed = await sign(relay, account, stored);
  // Where a newer version came meanwhile, there is no place for it any more; it is as true as before.
  return (await relay.directory.setReceipt(account, stored.version, signed)) ?? signed;
}

async function sign(relay: Relay, account: string, { version, signed }: StoredAccount): Promise<Signed> {
  const { receipts, clock } = relay;
  const hash = digest(relay, decodeBase64Url(signed.payload));
  const receipt: RecordReceipt = { account, version, hash, at: clock.now(), key: await receipts.key() };
  const payload = new TextEncoder().encode(JSON.stringify(receipt));
  const signature = await receipts.sign(signedBytes(recordReceiptLabel, payload));
  return { payload: encodeBase64Url(payload), signature };
}
