/**
 * A vault that keeps its key in a file which its owner alone can read. It protects a database that is copied or backed up
 * without the file, and nothing against who can read the owner's files: use a passphrase or a keyring for that.
 */
import { randomBytes } from "node:crypto";
import { link, open, readFile, stat, unlink } from "node:fs/promises";
import { TacitError } from "../errors.ts";
import type { Vault } from "../ports.ts";
import { unwrapKey, wrapKey } from "./keyWrap.ts";

export function keyFileVault(path: string): Vault {
  return {
    wrap: async (key) => wrapKey(await readOrCreate(path), key),
    async unwrap(wrapped) {
      const key = await read(path);
      if (key === undefined) throw new TacitError("vault_failed", "the store's key file is missing");
      return unwrapKey(key, wrapped);
    },
  };
}

async function readOrCreate(path: string): Promise<Uint8Array> {
  const present = await read(path);
  if (present !== undefined) return present;
  const key = randomBytes(32);
  try {
    await createWhole(path, key);
  } catch (cause) {
    throw new TacitError("vault_failed", "the key file cannot be created", { cause });
  }
  return key;
}

/** The file is there with all of its contents or not at all, wherever the process ends. @throws also where it exists */
async function createWhole(path: string, contents: Uint8Array): Promise<void> {
  const draft = `${path}.${Buffer.from(randomBytes(8)).toString("hex")}`;
  const file = await open(draft, "wx", 0o600);
  try {
    await file.writeFile(contents);
    // The database must not outlive its key.
    await file.sync();
    await link(draft, path);
  } finally {
    await file.close();
    await unlink(draft);
  }
}

async function read(path: string): Promise<Uint8Array | undefined> {
  let key;
  try {
    if (process.platform !== "win32" && ((await stat(path)).mode & 0o077) !== 0) {
      throw new TacitError("vault_failed", "the key file can be read by others: set its mode to 0600");
    }
    key = await readFile(path);
  } catch (cause) {
    if (cause instanceof TacitError) throw cause;
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new TacitError("vault_failed", "the key file cannot be read", { cause });
  }
  if (key.length !== 32) throw new TacitError("vault_failed", "the key file is damaged");
  return key;
}
