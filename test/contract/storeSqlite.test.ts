import type { Store } from "@tacit/client";
import { sqliteStore } from "@tacit/client/sqlite";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { storeContract } from "./storeContract.ts";

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tacit-store-"));
  path = join(directory, "alice.db");
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Everything that the store left on the disk. */
const onDisk = (): Buffer => Buffer.concat(readdirSync(directory).map((name) => readFileSync(join(directory, name))));

describe("sqliteStore", () => {
  storeContract({ create: () => sqliteStore(path), reopen: () => sqliteStore(path) });

  it("overwrites what was replaced or deleted", async () => {
    const store = await sqliteStore(path);
    const secret = (name: string): Uint8Array => new TextEncoder().encode(`${name} `.repeat(300));
    await store.commit([
      { key: "replaced", value: secret("first") },
      { key: "deleted", value: secret("second") },
    ]);
    expect(onDisk().includes("first first")).toBe(true);
    await store.commit([{ key: "replaced", value: secret("third") }, { key: "deleted" }]);
    await store.close();
    const left = onDisk();
    expect(left.includes("third third")).toBe(true);
    expect(left.includes("first first")).toBe(false);
    expect(left.includes("second second")).toBe(false);
  });

  it("applies all of a commit or nothing of it", async () => {
    const store = await sqliteStore(path);
    await store.commit([{ key: "a", value: Uint8Array.of(1) }]);
    const broken = { key: "b", value: "not bytes" as unknown as Uint8Array };
    const nothing = { key: null as unknown as string, value: Uint8Array.of(1) };
    await expect(store.commit([{ key: "a" }, broken, nothing])).rejects.toMatchObject({ code: "store_failed" });
    expect(await store.get(["a", "b"])).toEqual([Uint8Array.of(1), undefined]);
    await store.commit([{ key: "b", value: Uint8Array.of(2) }]);
    expect(await store.get(["b"])).toEqual([Uint8Array.of(2)]);
    await store.close();
  });

  it("keeps every commit that it confirmed when its process is killed, and frees the lock", async () => {
    const writer = join(directory, "writer.mts");
    const store = new URL("../../client/src/adapters/sqliteStore.ts", `file://${__filename}`).href;
    writeFileSync(
      writer,
      `import { sqliteStore } from ${JSON.stringify(store)};
       const store = await sqliteStore(${JSON.stringify(path)});
       for (let i = 0; ; i++) {
         await store.commit([{ key: "a", value: Buffer.from(String(i)) }, { key: "b", value: Buffer.from(String(i)) }]);
         process.stdout.write(i + "\\n");
       }`,
    );
    const child = spawn(process.execPath, ["--import", "tsx", writer], { cwd: join(__dirname, "../..") });
    let output = "";
    let complaints = "";
    child.stderr.on("data", (chunk: Buffer) => (complaints += chunk.toString()));
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      if (output.length > 500) child.kill("SIGKILL");
    });
    await once(child, "close");
    expect(complaints).toBe("");
    const confirmed = Number(output.slice(0, output.lastIndexOf("\n")).split("\n").at(-1));

    const reopened: Store = await sqliteStore(path);
    const [a, b] = (await reopened.get(["a", "b"])).map((value) => Number(Buffer.from(value!).toString()));
    expect(a).toBeGreaterThanOrEqual(confirmed);
    expect(b).toBe(a);
    await reopened.close();
  }, 30_000);

  it("can be read by its owner alone", async () => {
    const store = await sqliteStore(path);
    await store.vault!.wrap(new Uint8Array(32));
    await store.commit([{ key: "a", value: Uint8Array.of(1) }]);
    for (const name of readdirSync(directory)) {
      expect([name, (statSync(join(directory, name)).mode & 0o077).toString(8)]).toEqual([name, "0"]);
    }
    await store.close();
  });

  it("says what is wrong with a file that is no database, and with a place that is none", async () => {
    writeFileSync(path, "certainly not a database, whatever its name says".repeat(100));
    await expect(sqliteStore(path)).rejects.toMatchObject({ code: "store_corrupt", retryable: false });
    await expect(sqliteStore(join(directory, "nowhere", "alice.db"))).rejects.toMatchObject({ code: "store_failed" });
  });
});
