/** Project Wycheproof's vectors for each primitive of each provider. https://github.com/C2SP/wycheproof */
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { concatBytes } from "../../../mls/src/bytes.ts";
import { hkdfExpand } from "../../../mls/src/hkdf.ts";
import type { Aead, AeadName, HashName } from "../../../mls/src/provider.ts";
import { describeVectors, fromHex, hex, providers, readVectors } from "./support.ts";

interface Case {
  readonly tcId: number;
  readonly comment: string;
  readonly flags: readonly string[];
  readonly result: "valid" | "invalid" | "acceptable";
}
interface File<Group> {
  readonly testGroups: readonly Group[];
}

interface AeadGroup {
  readonly keySize: number;
  readonly ivSize: number;
  readonly tests: readonly (Case & Readonly<Record<"key" | "iv" | "aad" | "msg" | "ct" | "tag", string>>)[];
}
interface HkdfGroup {
  readonly tests: readonly (Case &
    Readonly<Record<"ikm" | "salt" | "info" | "okm", string>> & { readonly size: number })[];
}
interface AgreementGroup {
  readonly tests: readonly (Case & Readonly<Record<"public" | "private" | "shared", string>>)[];
}
interface Ed25519Group {
  readonly publicKey: { readonly pk: string };
  readonly tests: readonly (Case & Readonly<Record<"msg" | "sig", string>>)[];
}
interface EcdsaGroup {
  readonly publicKey: { readonly uncompressed: string };
  readonly tests: readonly (Case & Readonly<Record<"msg" | "sig", string>>)[];
}
interface MlKemGroup {
  readonly tests: readonly (Case & Readonly<Record<"seed" | "c" | "K", string>> & { readonly ek?: string })[];
}

/** What a case is called in a failure. */
function described({ tcId, comment, flags }: Case): string {
  return `case ${tcId}: ${comment} (${flags.join(", ")})`;
}

/** Runs `check` on all cases, throws the cases that fail, and says how many there were. */
async function runAll<C extends Case>(
  title: string,
  cases: readonly C[],
  check: (test: C) => boolean | Promise<boolean>,
): Promise<void> {
  const failed: string[] = [];
  for (const test of cases) if (!(await check(test))) failed.push(described(test));
  expect(failed).toEqual([]);
  console.log(`wycheproof ${title}: ${cases.length} cases`);
}

/** The fixed head of a SubjectPublicKeyInfo for a named, uncompressed P-256 point. */
const p256Spki = "3059301306072a8648ce3d020106082a8648ce3d030107034200";

/** Wycheproof writes scalars as signed integers of any length. */
function scalar(text: string): Uint8Array {
  return fromHex(text.padStart(64, "0").slice(-64));
}

describeVectors("Wycheproof", () => {
  describe.each(providers)("on %s", (name, make) => {
    const provider = make();

    const aeadCase = (aead: Aead) => (test: AeadGroup["tests"][number]) => {
      const [key, nonce, aad] = [fromHex(test.key), fromHex(test.iv), fromHex(test.aad)];
      const sealed = concatBytes(fromHex(test.ct), fromHex(test.tag));
      if (nonce.length !== aead.nonceLength) {
        // MLS has 12-byte nonces alone; others are refused before the cipher sees them.
        expect(() => aead.open(key, nonce, aad, sealed)).toThrow("nonce");
        return true;
      }
      const opened = aead.open(key, nonce, aad, sealed);
      if (test.result === "invalid") return opened === undefined;
      return (
        opened !== undefined &&
        hex(opened) === test.msg &&
        hex(aead.seal(key, nonce, aad, fromHex(test.msg))) === hex(sealed)
      );
    };

    test("aes_gcm", async () => {
      const { testGroups } = readVectors<File<AeadGroup>>("wycheproof/aes_gcm_test.json");
      const sizes: Readonly<Record<number, AeadName>> = { 128: "AES-128-GCM", 256: "AES-256-GCM" };
      for (const [size, aead] of Object.entries(sizes)) {
        const cases = testGroups.filter((group) => group.keySize === Number(size)).flatMap((group) => group.tests);
        expect(cases.length).toBeGreaterThan(100);
        await runAll(`${aead} (${name})`, cases, aeadCase(provider.aeads[aead]));
      }
    });

    test("chacha20_poly1305", async () => {
      const { testGroups } = readVectors<File<AeadGroup>>("wycheproof/chacha20_poly1305_test.json");
      const cases = testGroups.flatMap((group) => group.tests);
      await runAll(`ChaCha20-Poly1305 (${name})`, cases, aeadCase(provider.aeads["ChaCha20-Poly1305"]));
    });

    test.each([
      ["SHA-256", "hkdf_sha256"],
      ["SHA-384", "hkdf_sha384"],
    ] as const)("hkdf %s", async (hashName: HashName, file) => {
      const hash = provider.hashes[hashName];
      const { testGroups } = readVectors<File<HkdfGroup>>(`wycheproof/${file}_test.json`);
      const cases = testGroups.flatMap((group) => group.tests);
      await runAll(`HKDF-${hashName} (${name})`, cases, (test) => {
        const prk = hash.hmac(fromHex(test.salt), fromHex(test.ikm));
        const derive = () => hex(hkdfExpand(hash, prk, fromHex(test.info), test.size));
        if (test.result === "valid") return derive() === test.okm;
        expect(derive).toThrow("out of range");
        return true;
      });
    });

    test("x25519", async () => {
      const { testGroups } = readVectors<File<AgreementGroup>>("wycheproof/x25519_test.json");
      const curve = provider.curves.X25519;
      await runAll(
        `X25519 (${name})`,
        testGroups.flatMap((group) => group.tests),
        async (test) => {
          const secret = await curve.agree(fromHex(test.private), fromHex(test.public));
          if (test.flags.includes("ZeroSharedSecret")) return secret === undefined;
          return secret !== undefined && hex(secret) === test.shared;
        },
      );
    });

    test("ecdh_secp256r1", async () => {
      const { testGroups } = readVectors<File<AgreementGroup>>("wycheproof/ecdh_secp256r1_test.json");
      const curve = provider.curves["P-256"];
      // MLS has bare points: what is wrong with the ASN.1 around them, and other curves, cannot be expressed.
      const cases = testGroups.flatMap((group) => group.tests).filter((test) => test.public.startsWith(p256Spki));
      expect(cases.length).toBeGreaterThan(330);
      expect(cases.filter((test) => test.result === "invalid").length).toBeGreaterThan(10);
      await runAll(`ECDH P-256 (${name})`, cases, async (test) => {
        const secret = await curve.agree(scalar(test.private), fromHex(test.public.slice(p256Spki.length)));
        if (secret === undefined) return test.result !== "valid";
        return test.result !== "invalid" && hex(secret) === test.shared;
      });
    });

    test("ed25519", async () => {
      const { testGroups } = readVectors<File<Ed25519Group>>("wycheproof/ed25519_test.json");
      const scheme = provider.signatures.Ed25519;
      const cases = testGroups.flatMap(({ publicKey, tests }) => tests.map((test) => ({ ...test, pk: publicKey.pk })));
      await runAll(`Ed25519 (${name})`, cases, async (test) => {
        const verified = await scheme.verify(fromHex(test.pk), fromHex(test.msg), fromHex(test.sig));
        return verified === (test.result === "valid");
      });
    });

    test("ecdsa_secp256r1_sha256", async () => {
      const { testGroups } = readVectors<File<EcdsaGroup>>("wycheproof/ecdsa_secp256r1_sha256_test.json");
      const scheme = provider.signatures["ECDSA-P256-SHA256"];
      const cases = testGroups.flatMap(({ publicKey, tests }) =>
        tests.map((test) => ({ ...test, key: publicKey.uncompressed })),
      );
      await runAll(`ECDSA P-256 (${name})`, cases, async (test) => {
        const verified = await scheme.verify(fromHex(test.key), fromHex(test.msg), fromHex(test.sig));
        return verified === (test.result === "valid");
      });
    });

    test("mlkem_768", async () => {
      const { testGroups } = readVectors<File<MlKemGroup>>("wycheproof/mlkem_768_test.json");
      const { keyPair, decapsulate } = provider.mlKem768;
      await runAll(
        `ML-KEM-768 (${name})`,
        testGroups.flatMap((group) => group.tests),
        (test) => {
          const seed = fromHex(test.seed);
          if (seed.length !== 64) {
            expect(() => keyPair(seed)).toThrow("seed");
            return true;
          }
          const { publicKey, privateKey } = keyPair(seed);
          if (hex(publicKey) !== test.ek) return false;
          const secret = decapsulate(privateKey, fromHex(test.c));
          return test.result === "valid" ? secret !== undefined && hex(secret) === test.K : secret === undefined;
        },
      );
    });
  });

  test("xchacha20_poly1305: @noble/ciphers, which the client seals with", async () => {
    const { testGroups } = readVectors<File<AeadGroup>>("wycheproof/xchacha20_poly1305_test.json");
    const cases = testGroups.flatMap((group) => group.tests);
    await runAll("XChaCha20-Poly1305 (noble)", cases, (test) => {
      const sealed = concatBytes(fromHex(test.ct), fromHex(test.tag));
      const open = () => xchacha20poly1305(fromHex(test.key), fromHex(test.iv), fromHex(test.aad)).decrypt(sealed);
      if (test.result === "valid") return hex(open()) === test.msg;
      expect(open).toThrow();
      return true;
    });
  });
});
