/** What every provider promises (`mls/src/provider.ts`, `mls/src/cipherSuite.ts`), run for the three of them. */
import { concatBytes } from "../../../mls/src/bytes.ts";
import type { CipherSuite } from "../../../mls/src/cipherSuite.ts";
import type { CryptoProvider, CurveName, SignatureName } from "../../../mls/src/provider.ts";
import { fromDer, toDer } from "../../../mls/src/providers/derSignature.ts";
import { cipherSuites, getCipherSuite } from "../../../mls/src/suites.ts";
import { ed25519EdgeCases } from "./ed25519EdgeCases.ts";
import { fromHex, hex, providers, seededRandom, utf8 } from "./support.ts";

const suiteIds = Object.values(cipherSuites);
const curveNames: readonly CurveName[] = ["X25519", "P-256"];
const signatureNames: readonly SignatureName[] = ["Ed25519", "ECDSA-P256-SHA256"];
const message = utf8("attack at dawn");

/** The order of P-256's group. */
const p256Order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

/** All encodings of X25519 points of small order, up to the ignored top bit; RFC 7748, section 6.1. */
const lowOrderX25519 = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
];

function isPlain(bytes: Uint8Array): boolean {
  return Object.getPrototypeOf(bytes) === Uint8Array.prototype;
}

/** A synchronous throw or a rejection, as a rejection. */
async function outcome<T>(run: () => T | Promise<T>): Promise<T> {
  return run();
}

function corrupted(bytes: Uint8Array, index: number): Uint8Array {
  const result = bytes.slice();
  result[index] = (result[index] ?? 0) ^ 1;
  return result;
}

describe.each(providers)("provider %s", (name, make) => {
  const provider = make({ random: seededRandom("contract") });

  test("draws from the platform by default, and from the given source otherwise", async () => {
    const [first, second] = [make().random(32), make().random(32)];
    expect([first.length, second.length]).toEqual([32, 32]);
    expect(first).not.toEqual(second);
    for (const curve of curveNames) {
      const pairs = [1, 2].map(async () => make({ random: seededRandom("same") }).curves[curve].generate());
      const [one, two] = await Promise.all(pairs);
      expect(one).toEqual(two);
    }
  });

  describe.each(["AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305"] as const)("AEAD %s", (aeadName) => {
    const aead = provider.aeads[aeadName];
    const [key, nonce] = [provider.random(aead.keyLength), provider.random(aead.nonceLength)];

    test("opens what it sealed, for lengths around its blocks, and leaves its arguments alone", () => {
      for (const length of [0, 1, 15, 16, 17, 63, 64, 65, 1000, 70_000]) {
        const plaintext = new Uint8Array(length).fill(7);
        const sealed = aead.seal(key, nonce, message, plaintext);
        expect(sealed.length).toBe(length + 16);
        const copy = sealed.slice();
        const opened = aead.open(key, nonce, message, sealed);
        expect(opened).toEqual(plaintext);
        expect(sealed).toEqual(copy);
        expect(isPlain(sealed) && opened !== undefined && isPlain(opened)).toBe(true);
      }
    });

    test("opens nothing that was changed anywhere, or is shorter than its tag", () => {
      const sealed = aead.seal(key, nonce, message, utf8("hello"));
      for (let index = 0; index < sealed.length; index++) {
        expect(aead.open(key, nonce, message, corrupted(sealed, index))).toBeUndefined();
      }
      for (let length = 0; length < sealed.length; length++) {
        expect(aead.open(key, nonce, message, sealed.subarray(0, length))).toBeUndefined();
      }
      expect(aead.open(key, nonce, utf8("other"), sealed)).toBeUndefined();
      expect(aead.open(key, corrupted(nonce, 0), message, sealed)).toBeUndefined();
      expect(aead.open(corrupted(key, 0), nonce, message, sealed)).toBeUndefined();
    });

    test("refuses keys and nonces of other lengths", () => {
      const wrong = { code: "invalid_argument" };
      const sealed = aead.seal(key, nonce, message, message);
      for (const badKey of [key.subarray(1), concatBytes(key, key), new Uint8Array(0)]) {
        expect(() => aead.seal(badKey, nonce, message, message)).toThrow(expect.objectContaining(wrong));
        expect(() => aead.open(badKey, nonce, message, sealed)).toThrow(expect.objectContaining(wrong));
      }
      for (const badNonce of [nonce.subarray(1), concatBytes(nonce, nonce), new Uint8Array(0)]) {
        expect(() => aead.seal(key, badNonce, message, message)).toThrow(expect.objectContaining(wrong));
        expect(() => aead.open(key, badNonce, message, sealed)).toThrow(expect.objectContaining(wrong));
      }
    });
  });

  test("hashes: FIPS 180-4 and FIPS 202 examples for `abc`, RFC 4231 case 2 for HMAC", () => {
    const { hashes } = provider;
    const abc = utf8("abc");
    expect(hex(hashes["SHA-256"].digest(abc))).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect(hex(hashes["SHA-384"].digest(abc))).toBe(
      "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
    );
    expect(hex(hashes["SHA3-256"].digest(abc))).toBe(
      "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
    );
    expect(hex(provider.shake256(new Uint8Array(0), 64))).toBe(
      "46b9dd2b0ba88d13233b3feb743eeb243fcd52ea62b81b82b50c27646ed5762f" +
        "d75dc4ddd8c0f200cb05019d67b592f6fc821c49479ab48640292eacb3b7c4be",
    );
    const [key, data] = [utf8("Jefe"), utf8("what do ya want for nothing?")];
    expect(hex(hashes["SHA-256"].hmac(key, data))).toBe(
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    );
    expect(hex(hashes["SHA-384"].hmac(key, data))).toBe(
      "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
    );
    for (const hash of Object.values(hashes)) {
      expect(hash.digest(abc).length).toBe(hash.length);
      expect(isPlain(hash.digest(abc)) && isPlain(hash.hmac(key, data))).toBe(true);
    }
  });

  test("HMAC with keys around the block length agrees with the definition in RFC 2104", () => {
    for (const [hashName, block] of [
      ["SHA-256", 64],
      ["SHA-384", 128],
    ] as const) {
      const { digest, hmac } = provider.hashes[hashName];
      for (const length of [0, 1, 32, 48, 63, 64, 65, 127, 128, 129, 300]) {
        const key = new Uint8Array(length).fill(0xa5);
        const padded = new Uint8Array(block);
        padded.set(length > block ? digest(key) : key);
        const inner = digest(
          concatBytes(
            padded.map((byte) => byte ^ 0x36),
            message,
          ),
        );
        expect(hmac(key, message)).toEqual(
          digest(
            concatBytes(
              padded.map((byte) => byte ^ 0x5c),
              inner,
            ),
          ),
        );
      }
    }
  });

  describe.each(curveNames)("agreement on %s", (curveName) => {
    const curve = provider.curves[curveName];

    test("both sides agree, also for a key pair that is used once", async () => {
      const [alice, bob] = [await curve.generate(), await curve.generate()];
      expect(alice).not.toEqual(bob);
      expect(alice.publicKey.length).toBe(curve.publicKeyLength);
      expect(await curve.publicKey(alice.privateKey)).toEqual(alice.publicKey);
      const secret = await curve.agree(alice.privateKey, bob.publicKey);
      expect(secret?.length).toBe(32);
      expect(await curve.agree(bob.privateKey, alice.publicKey)).toEqual(secret);
      const once = await curve.ephemeral(bob.publicKey);
      if (once === undefined) throw new Error("a valid key was refused");
      expect(await curve.agree(bob.privateKey, once.publicKey)).toEqual(once.secret);
      expect([once.publicKey, once.secret, secret ?? message, alice.publicKey].every(isPlain)).toBe(true);
    });

    test("keys of the wrong length are refused", async () => {
      const { publicKey, privateKey } = await curve.generate();
      for (const bad of [publicKey.subarray(1), concatBytes(publicKey, Uint8Array.of(0)), new Uint8Array(0)]) {
        expect(await curve.agree(privateKey, bad)).toBeUndefined();
        expect(await curve.ephemeral(bad)).toBeUndefined();
      }
      for (const bad of [privateKey.subarray(1), concatBytes(privateKey, Uint8Array.of(0)), new Uint8Array(0)]) {
        expect(await curve.agree(bad, publicKey)).toBeUndefined();
        expect(await curve.publicKey(bad)).toBeUndefined();
      }
    });
  });

  test("RFC 7748, section 6.1: X25519 points of small order are refused", async () => {
    const curve = provider.curves.X25519;
    const { privateKey } = await curve.generate();
    for (const point of lowOrderX25519) {
      const peer = fromHex(point);
      expect([point, await curve.agree(privateKey, peer)]).toEqual([point, undefined]);
      expect(await curve.ephemeral(peer)).toBeUndefined();
      const topBit = peer.slice();
      topBit[31] = (topBit[31] ?? 0) | 0x80;
      expect(await curve.agree(privateKey, topBit)).toBeUndefined();
    }
  });

  test("RFC 9180, section 7.1.4: P-256 points off the curve, at infinity or in another form are refused", async () => {
    const curve = provider.curves["P-256"];
    const scheme = provider.signatures["ECDSA-P256-SHA256"];
    const { privateKey, publicKey } = await curve.generate();
    const signature = await scheme.sign(privateKey, message);
    expect(await scheme.verify(publicKey, message, signature)).toBe(true);
    const compressed = concatBytes(Uint8Array.of(2 + ((publicKey[64] ?? 0) & 1)), publicKey.subarray(1, 33));
    const hybrid = publicKey.slice();
    hybrid[0] = 6 + ((publicKey[64] ?? 0) & 1);
    // The same point with an x-coordinate that is not reduced would need x < 2^256 - p; this one is simply too large.
    const unreduced = publicKey.slice().fill(0xff, 1, 33);
    const bad = [corrupted(publicKey, 40), corrupted(publicKey, 3), compressed, hybrid, unreduced, Uint8Array.of(0)];
    bad.push(concatBytes(Uint8Array.of(4), new Uint8Array(64)));
    for (const point of bad) {
      expect([hex(point), await curve.agree(privateKey, point)]).toEqual([hex(point), undefined]);
      expect(await curve.ephemeral(point)).toBeUndefined();
      expect(await scheme.verify(point, message, signature)).toBe(false);
    }
  });

  test("P-256 private keys are scalars from 1 to n - 1", async () => {
    const curve = provider.curves["P-256"];
    const scheme = provider.signatures["ECDSA-P256-SHA256"];
    const { publicKey } = await curve.generate();
    for (const bad of ["00".repeat(32), p256Order, "ff".repeat(32)].map(fromHex)) {
      expect(await curve.publicKey(bad)).toBeUndefined();
      expect(await curve.agree(bad, publicKey)).toBeUndefined();
      await expect(outcome(() => scheme.sign(bad, message))).rejects.toMatchObject({ code: "invalid_argument" });
    }
    const largest = fromHex(`${p256Order.slice(0, -2)}50`);
    expect(hex((await curve.publicKey(largest)) ?? message).slice(0, 66)).toBe(
      // -G has the x-coordinate of the generator.
      "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
    );
    // A source whose first candidate is out of range is asked again.
    const candidates = [fromHex("ff".repeat(32)), largest];
    const picky = make({ random: () => candidates.shift() ?? new Uint8Array(32) });
    expect((await picky.curves["P-256"].generate()).privateKey).toEqual(largest);
  });

  describe.each(signatureNames)("signatures with %s", (signatureName) => {
    const scheme = provider.signatures[signatureName];

    test("verifies what it signed and nothing else", async () => {
      const { privateKey, publicKey } = await scheme.generate();
      const other = await scheme.generate();
      const signature = await scheme.sign(privateKey, message);
      expect(isPlain(signature)).toBe(true);
      expect(await scheme.verify(publicKey, message, signature)).toBe(true);
      expect(await scheme.verify(publicKey, utf8("attack at dusk"), signature)).toBe(false);
      expect(await scheme.verify(other.publicKey, message, signature)).toBe(false);
      for (let index = 0; index < signature.length; index++) {
        expect([index, await scheme.verify(publicKey, message, corrupted(signature, index))]).toEqual([index, false]);
      }
      // Again, now that the keys are cached.
      expect(await scheme.verify(publicKey, message, await scheme.sign(privateKey, message))).toBe(true);
    });

    test("malformed keys and signatures are false, malformed private keys a typed error", async () => {
      const { privateKey, publicKey } = await scheme.generate();
      const signature = await scheme.sign(privateKey, message);
      for (const bad of [new Uint8Array(0), signature.subarray(1), concatBytes(signature, Uint8Array.of(0))]) {
        expect(await scheme.verify(publicKey, message, bad)).toBe(false);
      }
      for (const bad of [new Uint8Array(0), publicKey.subarray(1), concatBytes(publicKey, Uint8Array.of(0))]) {
        expect(await scheme.verify(bad, message, signature)).toBe(false);
      }
      for (const bad of [new Uint8Array(0), privateKey.subarray(1), concatBytes(privateKey, Uint8Array.of(0))]) {
        await expect(outcome(() => scheme.sign(bad, message))).rejects.toMatchObject({ code: "invalid_argument" });
      }
    });
  });

  test("Ed25519: what RFC 8032 leaves open is decided alike everywhere", async () => {
    const { verify } = provider.signatures.Ed25519;
    for (const { name: edge, publicKey, message: text, signature, valid } of ed25519EdgeCases()) {
      expect([edge, await verify(publicKey, text, signature)]).toEqual([edge, valid]);
    }
  });

  test("ECDSA: signatures are strict DER, and a high s is as good as a low one", async () => {
    const scheme = provider.signatures["ECDSA-P256-SHA256"];
    const { privateKey, publicKey } = await scheme.generate();
    let sawPadding = false;
    for (let round = 0; round < 24; round++) {
      const text = Uint8Array.of(round);
      const signature = await scheme.sign(privateKey, text);
      const raw = fromDer(signature);
      if (raw === undefined) throw new Error("not strict DER");
      expect(hex(toDer(raw))).toBe(hex(signature));
      sawPadding ||= signature.length > 70;
      const s = BigInt(`0x${hex(raw.subarray(32))}`);
      const negated = fromHex((BigInt(`0x${p256Order}`) - s).toString(16).padStart(64, "0"));
      const flipped = toDer(concatBytes(raw.subarray(0, 32), negated));
      expect(await scheme.verify(publicKey, text, flipped)).toBe(true);
      expect(await scheme.verify(publicKey, text, raw)).toBe(false);
    }
    expect(sawPadding).toBe(true);
  });

  test("ML-KEM-768: wrong lengths and unreduced keys are refused", () => {
    const { decapsulate, encapsulate, keyPair } = provider.mlKem768;
    const { publicKey, privateKey } = keyPair(provider.random(64));
    const sent = encapsulate(publicKey, provider.random(32));
    if (sent === undefined) throw new Error("a valid key was refused");
    expect(decapsulate(privateKey, sent.ciphertext)).toEqual(sent.sharedSecret);
    expect(encapsulate(publicKey.subarray(1), provider.random(32))).toBeUndefined();
    expect(encapsulate(publicKey.slice().fill(0xff, 0, 3), provider.random(32))).toBeUndefined();
    expect(decapsulate(privateKey, sent.ciphertext.subarray(1))).toBeUndefined();
    expect(() => keyPair(provider.random(63))).toThrow("seed");
    expect(() => encapsulate(publicKey, provider.random(31))).toThrow("randomness");
  });

  test("a cache of two keys still serves five", async () => {
    const small = make({ random: seededRandom("small cache"), cachedKeys: 2 } as Parameters<typeof make>[0]);
    for (const signatureName of signatureNames) {
      const scheme = small.signatures[signatureName];
      const pairs = await Promise.all(Array.from({ length: 5 }, async () => scheme.generate()));
      for (let round = 0; round < 2; round++) {
        for (const { publicKey, privateKey } of pairs) {
          const signature = await scheme.sign(privateKey, message);
          expect(await scheme.verify(publicKey, message, signature)).toBe(true);
          expect(await scheme.verify(pairs[0]?.publicKey ?? message, message, signature)).toBe(
            publicKey === pairs[0]?.publicKey,
          );
        }
      }
    }
  });

  describe.each(suiteIds)("suite %i", (id) => {
    const suite = getCipherSuite(id, provider);

    test("is one object per provider, with the sizes of its algorithms", () => {
      expect(getCipherSuite(id, provider)).toBe(suite);
      expect(suite.id).toBe(id);
      expect(suite.hash(message).length).toBe(suite.hashLength);
      expect(suite.expandWithLabel(suite.hash(message), "key", message, suite.keyLength).length).toBe(suite.keyLength);
    });

    test("encrypts to a key: round trip, and a typed failure for anything changed", async () => {
      const { privateKey, publicKey } = await suite.generateKeyPair();
      const sealed = await suite.encryptWithLabel(publicKey, "label", message, utf8("path secret"));
      const open = (change: Partial<typeof sealed>, label = "label", context = message, key = privateKey) =>
        outcome(() => suite.decryptWithLabel(key, publicKey, label, context, { ...sealed, ...change }));
      expect(await open({})).toEqual(utf8("path secret"));
      const failed = { name: "MlsError", code: "hpke_failed" };
      await expect(open({}, "other")).rejects.toMatchObject(failed);
      await expect(open({}, "label", utf8("other"))).rejects.toMatchObject(failed);
      await expect(open({ ciphertext: corrupted(sealed.ciphertext, 0) })).rejects.toMatchObject(failed);
      await expect(open({ ciphertext: new Uint8Array(0) })).rejects.toMatchObject(failed);
      await expect(open({ kemOutput: corrupted(sealed.kemOutput, 5) })).rejects.toMatchObject(failed);
      await expect(open({ kemOutput: sealed.kemOutput.subarray(1) })).rejects.toMatchObject(failed);
      await expect(open({ kemOutput: new Uint8Array(0) })).rejects.toMatchObject(failed);
      await expect(open({}, "label", message, privateKey.subarray(1))).rejects.toMatchObject(failed);
      for (const bad of [publicKey.subarray(1), new Uint8Array(0), new Uint8Array(publicKey.length)]) {
        await expect(outcome(() => suite.encryptWithLabel(bad, "label", message, message))).rejects.toMatchObject(
          failed,
        );
      }
    });

    test("exports from an encapsulation, for external init", async () => {
      const { privateKey, publicKey } = await suite.generateKeyPair();
      const info = new Uint8Array(0);
      const { kemOutput, secret } = await suite.hpkeExportSender(publicKey, info, utf8("external"), suite.hashLength);
      const receive = (output: Uint8Array, context: string) =>
        outcome(() => suite.hpkeExportReceiver(privateKey, publicKey, output, info, utf8(context), suite.hashLength));
      expect(secret.length).toBe(suite.hashLength);
      expect(await receive(kemOutput, "external")).toEqual(secret);
      expect(await receive(kemOutput, "other")).not.toEqual(secret);
      await expect(receive(kemOutput.subarray(1), "external")).rejects.toMatchObject({ code: "hpke_failed" });
    });

    test("signs under a label", async () => {
      const { privateKey, publicKey } = await suite.generateSignatureKeyPair();
      const signature = await suite.signWithLabel(privateKey, "LeafNodeTBS", message);
      expect(await suite.verifyWithLabel(publicKey, "LeafNodeTBS", message, signature)).toBe(true);
      expect(await suite.verifyWithLabel(publicKey, "KeyPackageTBS", message, signature)).toBe(false);
    });

    test("a message that is not authentic is `aead_failed`", () => {
      const [key, nonce] = [provider.random(suite.keyLength), provider.random(suite.nonceLength)];
      const sealed = suite.seal(key, nonce, message, message);
      expect(suite.open(key, nonce, message, sealed)).toEqual(message);
      expect(() => suite.open(key, nonce, message, corrupted(sealed, 3))).toThrow(
        expect.objectContaining({ name: "MlsError", code: "aead_failed" }),
      );
    });
  });

  test("an unknown suite is `unsupported`", () => {
    for (const id of [0, 4, 0xffff, Number.NaN]) {
      expect(() => getCipherSuite(id, provider)).toThrow(expect.objectContaining({ code: "unsupported" }));
    }
  });

  if (name !== "webcrypto") {
    test.each(suiteIds)("is synchronous throughout: suite %i", (id) => {
      const suite = getCipherSuite(id, provider);
      const pair = suite.generateKeyPair();
      expect(pair).not.toBeInstanceOf(Promise);
      const { publicKey } = pair as Awaited<typeof pair>;
      expect("then" in suite.encryptWithLabel(publicKey, "label", message, message)).toBe(false);
      const signer = suite.generateSignatureKeyPair() as Awaited<ReturnType<CipherSuite["generateSignatureKeyPair"]>>;
      expect("then" in (suite.signWithLabel(signer.privateKey, "label", message) as object)).toBe(false);
      expect(suite.verifyWithLabel(signer.publicKey, "label", message, message)).toBe(false);
    });
  }
});

describe("the providers agree", () => {
  const all: readonly CryptoProvider[] = providers.map(([, make]) => make({ random: seededRandom("agree") }));

  test.each(suiteIds)("suite %i: what one seals and signs, the others open and verify", async (id) => {
    const suites = all.map((provider) => getCipherSuite(id, provider));
    const ikm = new Uint8Array(64).fill(9);
    const [first, ...rest] = await Promise.all(suites.map(async (suite) => suite.deriveKeyPair(ikm)));
    if (first === undefined) throw new Error("no providers");
    for (const pair of rest) expect(pair).toEqual(first);
    for (const sender of suites) {
      const signer = await sender.generateSignatureKeyPair();
      const signature = await sender.signWithLabel(signer.privateKey, "label", message);
      const sealed = await sender.encryptWithLabel(first.publicKey, "label", message, utf8("hello"));
      for (const receiver of suites) {
        expect(await receiver.decryptWithLabel(first.privateKey, first.publicKey, "label", message, sealed)).toEqual(
          utf8("hello"),
        );
        expect(await receiver.verifyWithLabel(signer.publicKey, "label", message, signature)).toBe(true);
      }
    }
  });
});
