/**
 * The webcrypto provider where it belongs, in a browser: Wycheproof for what WebCrypto computes there, and each suite's operations
 * against the node provider. Needs a Chromium, named by CHROMIUM or at /usr/bin/chromium.
 */
import { existsSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { build } from "esbuild";
import { chromium, type Browser, type Page } from "playwright-core";
import { nodeProvider } from "../../../mls/src/providers/node.ts";
import { cipherSuites, getCipherSuite } from "../../../mls/src/suites.ts";
import type { Operations } from "./browserPage.ts";
import { ed25519EdgeCases } from "./ed25519EdgeCases.ts";
import { fromHex, hex, readVectors, seededRandom, utf8, vectorRoot } from "./support.ts";

const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
// Skipped without a Chromium: nothing else has the WebCrypto that this provider is for.
const describeBrowser = existsSync(executablePath) ? describe : describe.skip;
const testVectors = existsSync(vectorRoot) ? test : test.skip;

interface AgreementCase {
  readonly public: string;
  readonly private: string;
  readonly shared: string;
  readonly result: string;
  readonly flags: readonly string[];
}
interface SignatureGroup {
  readonly publicKey: { readonly pk?: string; readonly uncompressed?: string };
  readonly tests: readonly {
    readonly tcId: number;
    readonly msg: string;
    readonly sig: string;
    readonly result: string;
  }[];
}

const p256Spki = "3059301306072a8648ce3d020106082a8648ce3d030107034200";

describeBrowser("the webcrypto provider in Chromium", () => {
  let server: Server;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    const { outputFiles } = await build({
      entryPoints: [join(__dirname, "browserPage.ts")],
      bundle: true,
      write: false,
      format: "esm",
      target: "es2022",
      logLevel: "error",
    });
    const script = outputFiles[0]?.text ?? "";
    server = createServer((_, response) => {
      response.setHeader("content-type", "text/html; charset=utf-8");
      response.end(`<!doctype html><script type="module">${script.replaceAll("</script", "<\\/script")}</script>`);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
    page = await browser.newPage();
    // WebCrypto is there in secure contexts alone, of which localhost is one.
    await page.goto(`http://localhost:${(server.address() as AddressInfo).port}/`);
    await page.waitForFunction(() => "operations" in globalThis);
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  /** Runs one operation for each list of arguments, in one round trip. */
  function callAll<K extends keyof Operations>(
    operation: K,
    calls: readonly Parameters<Operations[K]>[],
  ): Promise<Awaited<ReturnType<Operations[K]>>[]> {
    const run = async ([name, list]: [string, unknown[][]]) => {
      const { operations } = globalThis as unknown as { operations: Record<string, (...a: unknown[]) => unknown> };
      const results: unknown[] = [];
      for (const args of list) results.push((await operations[name]?.(...args)) ?? null);
      return results;
    };
    const argument: [string, unknown[][]] = [operation, calls.map((args) => [...args])];
    return page.evaluate<unknown[], [string, unknown[][]]>(run, argument) as Promise<
      Awaited<ReturnType<Operations[K]>>[]
    >;
  }

  async function call<K extends keyof Operations>(
    operation: K,
    ...args: Parameters<Operations[K]>
  ): Promise<Awaited<ReturnType<Operations[K]>>> {
    const [result] = await callAll(operation, [args]);
    return result as Awaited<ReturnType<Operations[K]>>;
  }

  testVectors("Wycheproof: x25519 and ecdh_secp256r1", async () => {
    const read = (file: string) =>
      readVectors<{ testGroups: { tests: AgreementCase[] }[] }>(`wycheproof/${file}_test.json`).testGroups.flatMap(
        (group) => group.tests,
      );
    const x25519 = read("x25519");
    const secrets = await callAll(
      "agree",
      x25519.map((test) => ["X25519", test.private, test.public]),
    );
    x25519.forEach((test, index) =>
      expect([test, secrets[index]]).toEqual([test, test.flags.includes("ZeroSharedSecret") ? null : test.shared]),
    );
    const p256 = read("ecdh_secp256r1").filter((test) => test.public.startsWith(p256Spki));
    const points = await callAll(
      "agree",
      p256.map((test) => ["P-256", test.private.padStart(64, "0").slice(-64), test.public.slice(p256Spki.length)]),
    );
    p256.forEach((test, index) => {
      const accepted = points[index] !== null;
      if (test.result !== "acceptable") expect([test, accepted]).toEqual([test, test.result === "valid"]);
      if (accepted) expect([test, points[index]]).toEqual([test, test.shared]);
    });
    console.log(`wycheproof in Chromium: X25519 ${x25519.length}, ECDH P-256 ${p256.length} cases`);
  });

  testVectors.each([
    ["Ed25519", "ed25519"],
    ["ECDSA-P256-SHA256", "ecdsa_secp256r1_sha256"],
  ] as const)("Wycheproof: %s", async (scheme, file) => {
    const { testGroups } = readVectors<{ testGroups: SignatureGroup[] }>(`wycheproof/${file}_test.json`);
    const cases = testGroups.flatMap(({ publicKey: { pk, uncompressed }, tests }) =>
      tests.map((test) => ({ ...test, key: pk ?? uncompressed ?? "" })),
    );
    const verified = await callAll(
      "verify",
      cases.map((test) => [scheme, test.key, test.msg, test.sig]),
    );
    const failed = cases.filter((test, index) => verified[index] !== (test.result === "valid"));
    expect(failed.map(({ tcId }) => tcId)).toEqual([]);
    console.log(`wycheproof in Chromium: ${scheme} ${cases.length} cases`);
  });

  test("Ed25519: what RFC 8032 leaves open is decided as by the other providers", async () => {
    const cases = ed25519EdgeCases();
    const verified = await callAll(
      "verify",
      cases.map(({ publicKey, message, signature }) => ["Ed25519", hex(publicKey), hex(message), hex(signature)]),
    );
    cases.forEach(({ name, valid }, index) => expect([name, verified[index]]).toEqual([name, valid]));
  });

  test.each(Object.values(cipherSuites))("suite %i agrees with the node provider", async (id) => {
    const suite = getCipherSuite(id, nodeProvider({ random: seededRandom(`browser ${id}`) }));
    const ikm = new Uint8Array(48).fill(3);
    const own = await suite.deriveKeyPair(ikm);
    expect(await call("keyPair", id, hex(ikm))).toEqual([hex(own.publicKey), hex(own.privateKey)]);

    const [kemOutput, ciphertext] = await call("seal", id, hex(own.publicKey), "from the browser");
    const sealed = { kemOutput: fromHex(kemOutput), ciphertext: fromHex(ciphertext) };
    expect(await suite.decryptWithLabel(own.privateKey, own.publicKey, "label", ikm.subarray(0, 0), sealed)).toEqual(
      utf8("from the browser"),
    );

    const pair = await call("generated", id);
    const back = await suite.encryptWithLabel(fromHex(pair[0]), "label", new Uint8Array(0), utf8("to the browser"));
    expect(await call("open", id, pair, [hex(back.kemOutput), hex(back.ciphertext)])).toBe("to the browser");

    const [publicKey, signature] = await call("sign", id, "signed");
    expect(await suite.verifyWithLabel(fromHex(publicKey), "label", utf8("signed"), fromHex(signature))).toBe(true);
  });
});
