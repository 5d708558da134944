/** Receipts of the relay for account records, and the proof that two of them are. */
import { encodeBase64Url, recordReceiptLabel, type RecordReceipt, type Signed } from "@tacit/protocol";
import type { KeyPair } from "@tacit/mls";
import { sign } from "../../../client/src/session/identity/accountRecord.ts";
import {
  evidenceIn,
  isReceiptFor,
  verifyEvidence,
  verifyReceipt,
} from "../../../client/src/session/identity/receipt.ts";
import { now, provider } from "../support/devices.ts";

const hashOf = (fill: number): string => encodeBase64Url(new Uint8Array(32).fill(fill));
const record = { account: "bob", version: 3, hash: hashOf(1) };

async function relayKey(): Promise<KeyPair> {
  return provider.signatures.Ed25519.generate();
}
function receipt(key: KeyPair, more: Partial<RecordReceipt> = {}, label = recordReceiptLabel): Promise<Signed> {
  const said = { ...record, at: now, key: encodeBase64Url(key.publicKey), ...more };
  return sign(provider, label, key, said);
}

describe("a receipt", () => {
  it("is for one record, and holds under the key that it names", async () => {
    const key = await relayKey();
    const found = await verifyReceipt(provider, await receipt(key));
    expect(found).toEqual({ ...record, at: now, key: encodeBase64Url(key.publicKey) });
    expect(isReceiptFor(found!, record, now)).toBe(true);
    expect(isReceiptFor(found!, { ...record, account: "eve" }, now)).toBe(false);
    expect(isReceiptFor(found!, { ...record, version: 4 }, now)).toBe(false);
    expect(isReceiptFor(found!, { ...record, hash: hashOf(2) }, now)).toBe(false);
  });

  it("from the future is none", async () => {
    const found = (await verifyReceipt(provider, await receipt(await relayKey(), { at: now + 25 * 3_600_000 })))!;
    expect(isReceiptFor(found, record, now)).toBe(false);
    expect(isReceiptFor(found, record, now + 25 * 3_600_000)).toBe(true);
  });

  it("that was forged, changed, signed under another label or for another key is none", async () => {
    const [key, other] = [await relayKey(), await relayKey()];
    const good = await receipt(key);
    const changed = { ...good, payload: (await receipt(key, { version: 4 })).payload };
    const forged = await receipt(other, { key: encodeBase64Url(key.publicKey) });
    const mislabelled = await receipt(key, {}, "tacit account record 1");
    const malformed = await sign(provider, recordReceiptLabel, key, { ...record, at: now });
    for (const bad of [changed, forged, mislabelled, malformed]) {
      expect(await verifyReceipt(provider, bad)).toBeUndefined();
    }
  });
});

describe("two receipts", () => {
  it("of one version with different hashes prove that the relay showed two records", async () => {
    const key = await relayKey();
    const receiptKey = encodeBase64Url(key.publicKey);
    const evidence = await evidenceIn(provider, [await receipt(key), await receipt(key, { hash: hashOf(2) })]);
    expect(evidence).toMatchObject({ account: "bob", version: 3 });
    expect(await verifyEvidence(provider, evidence!, receiptKey)).toBe(true);
    expect(await verifyEvidence(provider, evidence!, hashOf(9))).toBe(false);
    expect(await verifyEvidence(provider, { ...evidence!, account: "eve" }, receiptKey)).toBe(false);
    expect(await verifyEvidence(provider, { ...evidence!, version: 4 }, receiptKey)).toBe(false);
  });

  it("prove nothing where they agree, are of two versions, accounts or relays, or one was forged", async () => {
    const [key, other] = [await relayKey(), await relayKey()];
    const first = await receipt(key);
    const forged = await receipt(other, { hash: hashOf(2), key: encodeBase64Url(key.publicKey) });
    for (const second of [
      await receipt(key, { at: now + 1 }),
      await receipt(key, { version: 4, hash: hashOf(2) }),
      await receipt(key, { account: "eve", hash: hashOf(2) }),
      await receipt(other, { hash: hashOf(2) }),
      forged,
    ]) {
      expect(await evidenceIn(provider, [first, second])).toBeUndefined();
    }
  });
});
