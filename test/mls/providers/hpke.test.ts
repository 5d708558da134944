/** HPKE against the vectors of RFC 9180 (base and PSK mode) and those of draft-ietf-hpke-pq for X-Wing. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { hpke, type Hpke } from "../../../mls/src/hpke.ts";
import { dhKem, xWingKem, type Kem } from "../../../mls/src/hpkeKem.ts";
import { MlsError } from "../../../mls/src/mlsError.ts";
import type { AeadName, CryptoProvider } from "../../../mls/src/provider.ts";
import { defaultCipherSuite, getHpke } from "../../../mls/src/suites.ts";
import { describeVectors, fromHex, hex, providers, readVectors, seededRandom, utf8 } from "./support.ts";

interface Vector {
  readonly mode: number;
  readonly kem_id: number;
  readonly kdf_id: number;
  readonly aead_id: number;
  readonly info: string;
  readonly ikmE: string;
  readonly ikmR: string;
  readonly skRm: string;
  readonly pkRm: string;
  readonly enc: string;
  readonly shared_secret: string;
  readonly psk?: string;
  readonly psk_id?: string;
  readonly encryptions: readonly { readonly aad: string; readonly pt: string; readonly ct: string }[];
  readonly exports: readonly {
    readonly exporter_context: string;
    readonly L: number;
    readonly exported_value: string;
  }[];
}

const kems: Readonly<Record<number, (provider: CryptoProvider) => Kem>> = {
  0x0010: (provider) => dhKem(0x0010, "P-256", provider),
  0x0020: (provider) => dhKem(0x0020, "X25519", provider),
  0x647a: xWingKem,
};
const kdfs = { 1: "SHA-256", 2: "SHA-384" } as const;
const aeads: Readonly<Record<number, AeadName>> = { 1: "AES-128-GCM", 2: "AES-256-GCM", 3: "ChaCha20-Poly1305" };

function kemOf(vector: Vector, provider: CryptoProvider): Kem {
  const make = kems[vector.kem_id];
  if (make === undefined) throw new Error("unknown KEM");
  return make(provider);
}

function hpkeOf(vector: Vector, provider: CryptoProvider): Hpke {
  const aead = aeads[vector.aead_id];
  if (aead === undefined || (vector.kdf_id !== 1 && vector.kdf_id !== 2)) throw new Error("unknown algorithm");
  return hpke({
    kem: kemOf(vector, provider),
    kdf: { id: vector.kdf_id, hash: provider.hashes[kdfs[vector.kdf_id]] },
    aead: { id: vector.aead_id, cipher: provider.aeads[aead] },
  });
}

/** The randomness of the vector's encapsulation: for a DHKEM its private key, derived; for X-Wing the two halves of ikmE. */
async function scriptedProvider(
  make: (options?: { random: (length: number) => Uint8Array }) => CryptoProvider,
  vector: Vector,
): Promise<CryptoProvider> {
  const ikm = fromHex(vector.ikmE);
  const pieces =
    vector.kem_id === 0x647a
      ? [ikm.slice(0, 32), ikm.slice(32)]
      : [(await kemOf(vector, make()).deriveKeyPair(ikm)).privateKey];
  return make({
    random(length) {
      const piece = pieces.shift();
      if (piece?.length !== length) throw new Error("the vector has no more randomness");
      return piece;
    },
  });
}

async function checkKem(make: (typeof providers)[number][1], vector: Vector): Promise<void> {
  const kem = kemOf(vector, await scriptedProvider(make, vector));
  const pair = await kem.deriveKeyPair(fromHex(vector.ikmR));
  expect(hex(pair.privateKey)).toBe(vector.skRm);
  expect(hex(pair.publicKey)).toBe(vector.pkRm);
  const sent = await kem.encapsulate(pair.publicKey);
  expect(sent && hex(sent.kemOutput)).toBe(vector.enc);
  expect(sent && hex(sent.sharedSecret)).toBe(vector.shared_secret);
  const received = await kem.decapsulate(pair.privateKey, pair.publicKey, fromHex(vector.enc));
  expect(received && hex(received)).toBe(vector.shared_secret);
}

async function checkWhole(make: (typeof providers)[number][1], vector: Vector): Promise<void> {
  const scripted = hpkeOf(vector, await scriptedProvider(make, vector));
  const info = fromHex(vector.info);
  const psk = vector.mode === 1 ? { psk: fromHex(vector.psk ?? ""), pskId: fromHex(vector.psk_id ?? "") } : undefined;
  const [privateKey, publicKey] = [fromHex(vector.skRm), fromHex(vector.pkRm)];
  const { kemOutput, context: sender } = await scripted.setupSender(publicKey, info, psk);
  expect(hex(kemOutput)).toBe(vector.enc);
  const receiver = await scripted.setupReceiver(privateKey, publicKey, kemOutput, info, psk);
  for (const { aad, pt, ct } of vector.encryptions) {
    expect(hex(sender.seal(fromHex(aad), fromHex(pt)))).toBe(ct);
    expect(hex(receiver.open(fromHex(aad), fromHex(ct)))).toBe(pt);
  }
  for (const { exporter_context, L, exported_value } of vector.exports) {
    expect(hex(sender.exportSecret(fromHex(exporter_context), L))).toBe(exported_value);
    expect(hex(receiver.exportSecret(fromHex(exporter_context), L))).toBe(exported_value);
  }
}

describe.each(providers)("HPKE on %s", (name, make) => {
  const vectors = JSON.parse(readFileSync(join(__dirname, "rfc9180.json"), "utf8")) as readonly Vector[];

  test("RFC 9180, appendix A: base and PSK mode of the suites that MLS uses", async () => {
    for (const vector of vectors) {
      await checkKem(make, vector);
      await checkWhole(make, vector);
    }
    expect(vectors.length).toBe(6);
    console.log(`hpke rfc9180 (${name}): ${vectors.length} vectors`);
  });

  const suite = (provider: CryptoProvider): Hpke => getHpke(defaultCipherSuite, provider);

  test("a PSK binds the two sides: another one, or another name for it, opens nothing", async () => {
    const { kem, setupReceiver, setupSender } = suite(make({ random: seededRandom("psk") }));
    const { publicKey, privateKey } = await kem.generateKeyPair();
    const psk = { psk: new Uint8Array(32).fill(1), pskId: utf8("link") };
    const { kemOutput, context } = await setupSender(publicKey, utf8("info"), psk);
    const sealed = context.seal(utf8("aad"), utf8("hello"));
    const open = async (wrong: typeof psk | undefined) =>
      (await setupReceiver(privateKey, publicKey, kemOutput, utf8("info"), wrong)).open(utf8("aad"), sealed);
    expect(await open(psk)).toEqual(utf8("hello"));
    const failed = { code: "hpke_failed" };
    await expect(open(undefined)).rejects.toMatchObject(failed);
    await expect(open({ ...psk, pskId: utf8("other") })).rejects.toMatchObject(failed);
    await expect(open({ ...psk, psk: new Uint8Array(32).fill(2) })).rejects.toMatchObject(failed);
  });

  test("RFC 9180, section 5.1.2: a short PSK and one without a name are refused", async () => {
    const { kem, setupSender } = suite(make({ random: seededRandom("short") }));
    const { publicKey } = await kem.generateKeyPair();
    for (const psk of [
      { psk: new Uint8Array(31), pskId: utf8("link") },
      { psk: new Uint8Array(32), pskId: new Uint8Array(0) },
    ]) {
      expect(() => setupSender(publicKey, utf8("info"), psk)).toThrow(MlsError);
    }
  });

  test("a forged message leaves the receiver where it was; a wiped context is of no more use", async () => {
    const { kem, setupReceiver, setupSender } = suite(make({ random: seededRandom("order") }));
    const { publicKey, privateKey } = await kem.generateKeyPair();
    const { kemOutput, context: sender } = await setupSender(publicKey, utf8("info"));
    const receiver = await setupReceiver(privateKey, publicKey, kemOutput, utf8("info"));
    const sealed = [1, 2].map((byte) => sender.seal(utf8("aad"), Uint8Array.of(byte)));
    const [first = utf8(""), second = utf8("")] = sealed;
    expect(() => receiver.open(utf8("aad"), second)).toThrow(MlsError);
    expect(receiver.open(utf8("aad"), first)).toEqual(Uint8Array.of(1));
    expect(() => receiver.open(utf8("aad"), first)).toThrow(MlsError);
    expect(receiver.open(utf8("aad"), second)).toEqual(Uint8Array.of(2));
    receiver.wipe();
    expect(() => receiver.seal(utf8("aad"), second)).toThrow(MlsError);
    expect(() => receiver.open(utf8("aad"), second)).toThrow(MlsError);
    expect(() => receiver.exportSecret(utf8("context"), 32)).toThrow(MlsError);
  });

  test("RFC 9180, section 7.1.3: a candidate for a P-256 key that is out of range is followed by the next", async () => {
    const provider = make();
    const ikm = new Uint8Array(32).fill(5);
    const candidates: string[] = [];
    const refusing = (count: number): Kem =>
      dhKem(0x0010, "P-256", {
        ...provider,
        curves: {
          ...provider.curves,
          "P-256": {
            ...provider.curves["P-256"],
            publicKey(privateKey) {
              candidates.push(hex(privateKey));
              return candidates.length > count ? provider.curves["P-256"].publicKey(privateKey) : undefined;
            },
          },
        },
      });
    const pair = await refusing(2).deriveKeyPair(ikm);
    expect(new Set(candidates).size).toBe(3);
    expect(hex(pair.privateKey)).toBe(candidates[2]);
    expect(await provider.curves["P-256"].publicKey(pair.privateKey)).toEqual(pair.publicKey);
    candidates.length = 0;
    const never = async () => refusing(Infinity).deriveKeyPair(ikm);
    await expect(never()).rejects.toMatchObject({ code: "invalid_argument" });
    expect(candidates.length).toBe(256);
  });

  test("X-Wing: wrong lengths, unreduced ML-KEM keys and X25519 points of small order are refused", async () => {
    const kem = xWingKem(make({ random: seededRandom("x-wing") }));
    const { publicKey, privateKey } = await kem.generateKeyPair();
    const sent = await kem.encapsulate(publicKey);
    if (sent === undefined) throw new Error("a valid key was refused");
    const { kemOutput } = sent;
    expect(await kem.encapsulate(publicKey.subarray(1))).toBeUndefined();
    expect(await kem.encapsulate(Uint8Array.of(...publicKey, 0))).toBeUndefined();
    const unreduced = publicKey.slice().fill(0xff, 0, 384);
    expect(await kem.encapsulate(unreduced)).toBeUndefined();
    expect(await kem.encapsulate(publicKey.slice().fill(0, 1184))).toBeUndefined();
    expect(await kem.decapsulate(privateKey, publicKey, kemOutput.subarray(1))).toBeUndefined();
    expect(await kem.decapsulate(privateKey, publicKey, kemOutput.slice().fill(0, 1088))).toBeUndefined();
    expect(await kem.decapsulate(privateKey.subarray(1), publicKey, kemOutput)).toBeUndefined();
    // FIPS 203 rejects implicitly: a forged ciphertext gives another secret, not an error.
    const forged = kemOutput.slice();
    forged[0] = (forged[0] ?? 0) ^ 1;
    const other = await kem.decapsulate(privateKey, publicKey, forged);
    expect(other?.length).toBe(32);
    expect(other).not.toEqual(sent.sharedSecret);
  });
});

describeVectors("draft-ietf-hpke-pq", () => {
  describe.each(providers)("on %s", (name, make) => {
    test("X-Wing, and the KEM halves of the classical vectors", async () => {
      const vectors = readVectors<Vector[]>("hpke/hpke-pq.json").filter(({ kem_id }) => kems[kem_id] !== undefined);
      // The one-stage KDFs (0x0010 and up) belong to no suite of MLS: there the KEM alone is checked.
      const whole = vectors.filter(({ kdf_id }) => kdf_id === 1 || kdf_id === 2);
      for (const vector of vectors) await checkKem(make, vector);
      for (const vector of whole) await checkWhole(make, vector);
      expect(vectors.filter(({ kem_id }) => kem_id === 0x647a).length).toBe(2);
      expect([vectors.length, whole.length]).toEqual([4, 1]);
      console.log(`hpke-pq (${name}): ${vectors.length} KEM vectors, ${whole.length} whole`);
    });
  });
});
