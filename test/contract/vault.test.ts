/** What every Vault does, and what each does of its own. */
import type { Vault } from "@tacit/client";
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keyFileVault } from "../../client/src/adapters/keyFileVault.ts";
import { memoryVault } from "../../client/src/adapters/memoryVault.ts";
import { passphraseVault } from "../../client/src/adapters/passphraseVault.ts";

/** The real cost takes half a second, and a minute in a test runner that instruments. */
const cheap = { cost: 10 };

const key = Uint8Array.from({ length: 32 }, (_, index) => index);

const directory = mkdtempSync(join(tmpdir(), "tacit-vault-"));
afterAll(() => rmSync(directory, { recursive: true }));
let files = 0;
const freshPath = (): string => join(directory, `key-${files++}`);

const vaults: readonly (readonly [name: string, make: () => readonly [own: Vault, other: Vault]])[] = [
  ["memoryVault", () => [memoryVault(), memoryVault()]],
  ["keyFileVault", () => [keyFileVault(freshPath()), keyFileVault(freshPath())]],
  ["passphraseVault", () => [passphraseVault("correct horse", cheap), passphraseVault("battery staple", cheap)]],
];

describe.each(vaults)("%s", (_name, make) => {
  it("opens what it closed, each time differently, and nothing else", async () => {
    const [own, other] = make();
    await other.wrap(key);
    const [first, second] = [await own.wrap(key), await own.wrap(key)];
    expect(await own.unwrap(first)).toEqual(key);
    expect(await own.unwrap(second)).toEqual(key);
    expect(first).not.toEqual(second);
    expect(Buffer.from(first).includes(Buffer.from(key))).toBe(false);
    await expect(other.unwrap(first)).rejects.toMatchObject({ code: "vault_failed" });
    await expect(own.unwrap(first.with(-1, first.at(-1)! ^ 1))).rejects.toMatchObject({ code: "vault_failed" });
    await expect(own.unwrap(first.subarray(0, 10))).rejects.toMatchObject({ code: "vault_failed" });
    await expect(own.unwrap(new Uint8Array(0))).rejects.toMatchObject({ code: "vault_failed" });
  }, 30_000);
});

describe("keyFileVault", () => {
  it("makes its file when it is needed, for its owner alone, and once", async () => {
    const path = freshPath();
    const vault = keyFileVault(path);
    await expect(vault.unwrap(new Uint8Array(72))).rejects.toMatchObject({ code: "vault_failed" });
    expect(existsSync(path)).toBe(false);
    const wrapped = await vault.wrap(key);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await keyFileVault(path).unwrap(wrapped)).toEqual(key);
  });

  it("refuses a file that others can read, or that is no key", async () => {
    const path = freshPath();
    const wrapped = await keyFileVault(path).wrap(key);
    chmodSync(path, 0o644);
    await expect(keyFileVault(path).unwrap(wrapped)).rejects.toMatchObject({ code: "vault_failed" });
    chmodSync(path, 0o600);
    writeFileSync(path, "short");
    await expect(keyFileVault(path).wrap(key)).rejects.toMatchObject({ code: "vault_failed" });
  });
});

describe("passphraseVault", () => {
  it("takes a passphrase as it is meant, however it was typed", async () => {
    const wrapped = await passphraseVault("caf\u00e9", cheap).wrap(key);
    expect(await passphraseVault("cafe\u0301").unwrap(wrapped)).toEqual(key);
  }, 30_000);

  it("bounds its cost, also where a store says another", async () => {
    for (const cost of [9, 21, 10.5]) expect(() => passphraseVault("p", { cost })).toThrow("cost");
    const wrapped = await passphraseVault("p", cheap).wrap(key);
    for (const cost of [0, 9, 21, 255]) {
      await expect(passphraseVault("p").unwrap(wrapped.with(0, cost))).rejects.toMatchObject({ code: "vault_failed" });
    }
  });
});
