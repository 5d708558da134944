/**
 * A store in one SQLite file, for Node. WAL with `synchronous = FULL`: a commit is on the disk when it resolves, because a key that
 * was used must not come back after a power failure. Stands on the optional package `libsql`.
 *
 * Its native code aborts the process on a pragma with a result inside `exec`, and on a Buffer bound outside an array: so pragmas
 * go through `pragma` and parameters are always bound as one array.
 */
import { open } from "node:fs/promises";
import type Database from "libsql";
import { TacitError } from "../errors.ts";
import type { ScanOptions, Store, Vault, Write } from "../ports.ts";
import { keyFileVault } from "./keyFileVault.ts";

export interface SqliteStoreOptions {
  /** Default: a key file beside the database, `<path>.key`, mode 0600. See keyFileVault.ts for what that is worth. */
  readonly vault?: Vault;
}

type Row = readonly [key: string, value: Uint8Array];

/** @throws TacitError `store_locked` while another process, thread or client has it open, `store_corrupt`, `store_failed` */
export async function sqliteStore(path: string, options: SqliteStoreOptions = {}): Promise<Store> {
  const SqliteDatabase = await loadDriver();
  await createPrivately(path);
  await createPrivately(`${path}-lock`);
  // An operating system's lock on a file of its own: it goes with the process that held it, however that ended.
  const lock = guard(() => new SqliteDatabase(`${path}-lock`));
  try {
    lock.exec("BEGIN EXCLUSIVE");
  } catch (cause) {
    lock.close();
    throw translate(cause);
  }
  try {
    return opened(
      guard(() => new SqliteDatabase(path)),
      lock,
      options.vault ?? keyFileVault(`${path}.key`),
    );
  } catch (error) {
    release(lock);
    throw error;
  }
}

function opened(database: Database.Database, lock: Database.Database, vault: Vault): Store {
  guard(() => {
    database.pragma("journal_mode = WAL");
    database.pragma("synchronous = FULL");
    // What is deleted is overwritten: consumed keys must not stay readable in free pages.
    database.pragma("secure_delete = ON");
    database.exec("CREATE TABLE IF NOT EXISTS item (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID");
  });
  const prepare = (sql: string): Database.Statement => guard(() => database.prepare(sql));
  const select = prepare("SELECT value FROM item WHERE key = ?").raw();
  const forwards = prepare(
    "SELECT key, value FROM item WHERE key >= ? AND key > ? AND key < ? ORDER BY key LIMIT ?",
  ).raw();
  const backwards = prepare("SELECT key, value FROM item WHERE key >= ? AND key < ? ORDER BY key DESC LIMIT ?").raw();
  const upsert = prepare("INSERT INTO item VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value");
  const remove = prepare("DELETE FROM item WHERE key = ?");
  let closed = false;

  function use<T>(body: () => T): T {
    if (closed) throw new TacitError("closed", "the store was closed");
    return guard(body);
  }

  return {
    vault,
    async get(keys) {
      return use(() => keys.map((key) => plain((select.get([key]) as [Uint8Array] | undefined)?.[0])));
    },
    async scan(prefix, { after, limit = -1, reverse = false }: ScanOptions = {}) {
      // Keys are printable ASCII, so this is greater than all that start with the prefix.
      const end = `${prefix}\x7f`;
      return use(() => {
        const rows = reverse
          ? backwards.all([prefix, after !== undefined && after < end ? after : end, limit])
          : forwards.all([prefix, after ?? "", end, limit]);
        return (rows as Row[]).map(([key, value]) => [key, plain(value)!] as const);
      });
    },
    async commit(writes: readonly Write[]) {
      use(() => {
        database.exec("BEGIN IMMEDIATE");
        try {
          for (const { key, value } of writes) {
            if (value === undefined) remove.run([key]);
            else upsert.run([key, value]);
          }
          database.exec("COMMIT");
        } catch (error) {
          database.exec("ROLLBACK");
          throw error;
        }
      });
    },
    async close() {
      if (closed) return;
      closed = true;
      guard(() => {
        // Moves the log into the database and truncates it, so that no deleted value stays there.
        database.pragma("wal_checkpoint(TRUNCATE)");
        database.close();
      });
      release(lock);
    },
  };
}

async function loadDriver(): Promise<typeof Database> {
  try {
    const driver = await import("libsql");
    return driver.default;
  } catch (cause) {
    throw new TacitError("unsupported_platform", 'sqliteStore needs the package "libsql" (0.5.29)', { cause });
  }
}

async function createPrivately(path: string): Promise<void> {
  try {
    await (await open(path, "a", 0o600)).close();
  } catch (cause) {
    throw new TacitError("store_failed", "the store's file cannot be opened", { cause });
  }
}

function release(lock: Database.Database): void {
  lock.exec("ROLLBACK");
  lock.close();
}

function guard<T>(body: () => T): T {
  try {
    return body();
  } catch (cause) {
    throw translate(cause);
  }
}

function translate(cause: unknown): TacitError {
  if (cause instanceof TacitError) return cause;
  switch ((cause as { readonly code?: unknown }).code) {
    case "SQLITE_BUSY":
      return new TacitError("store_locked", "another client has this store open", { cause });
    case "SQLITE_NOTADB":
    case "SQLITE_CORRUPT":
      return new TacitError("store_corrupt", "the store's file is damaged or no database", { cause });
    default:
      return new TacitError("store_failed", "the store failed", { cause });
  }
}

/** The driver's Buffers may share memory; what leaves here belongs to the caller. */
function plain(value: Uint8Array | undefined): Uint8Array | undefined {
  return value === undefined ? undefined : new Uint8Array(value);
}
