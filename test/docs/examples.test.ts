/** What READMEs show compiles, and the example of the first page runs on the local cloud. */
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { startLocalTacit } from "../../bench/localTacit.ts";

const run = promisify(execFile);
const root = join(__dirname, "../..");
const prelude = `declare const url: string;
declare function signIn(): Promise<string>;
declare function show(from: string, text: string): void;
`;

async function documents(): Promise<string[]> {
  const guide = (await readdir(join(root, "docs")))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`);
  return ["README.md", "client/README.md", ...guide];
}

async function examplesOf(document: string): Promise<string[]> {
  const text = await readFile(join(root, document), "utf8");
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code!);
}

test("every TypeScript example of the documents compiles", async () => {
  // Below the project, so that its packages and settings are found.
  const folder = await mkdtemp(join(root, "test", "docs", "examples-"));
  try {
    let count = 0;
    for (const document of await documents()) {
      for (const code of await examplesOf(document))
        await writeFile(join(folder, `example${++count}.ts`), prelude + code);
    }
    expect(count).toBeGreaterThan(1);
    await writeFile(
      join(folder, "tsconfig.json"),
      JSON.stringify({ extends: "../../../tsconfig.json", include: ["*.ts"], exclude: [] }),
    );
    const { stdout } = await run(process.execPath, [
      join(root, "node_modules/typescript/bin/tsc"),
      "--noEmit",
      "-p",
      folder,
    ]).catch((error: { stdout: string }) => error);
    expect(stdout).toBe("");
  } finally {
    await rm(folder, { recursive: true });
  }
}, 60_000);

test("the example of the first page runs as it stands", async () => {
  const [example] = await examplesOf("README.md");
  const cloud = await startLocalTacit();
  const folder = await mkdtemp(join(tmpdir(), "tacit-readme-"));
  // Below the project, so that its packages are found.
  const file = join(root, "test", "docs", `readme-example-${process.pid}.ts`);
  try {
    const tokens = { alice: await cloud.token("alice"), bob: await cloud.token("bob") };
    // Bob signs up first, so that there is somebody to write to; the example reads on for ever, so it is ended by what it shows.
    const program = `
      import { memoryStore } from "@tacit/client/memory";
      const url = ${JSON.stringify(cloud.url)};
      const signIn = async () => ${JSON.stringify(tokens.alice)};
      const show = (from: string, text: string) => { console.log(from + " says " + text); process.exit(0); };
      const bob = await (await import("@tacit/client")).connect({ url, token: () => ${JSON.stringify(tokens.bob)}, store: memoryStore() });
      process.chdir(${JSON.stringify(folder)});
      await bob.caughtUp();
      ${example!}`;
    await writeFile(file, program);
    const tsx = join(root, "node_modules/tsx/dist/cli.mjs");
    const { stdout } = await run(process.execPath, [tsx, file], { timeout: 50_000 });
    expect(stdout.trim()).toBe("alice says hello");
    expect(await readdir(folder)).toContain("alice.db");
  } finally {
    await cloud.close();
    await rm(folder, { recursive: true });
    await rm(file, { force: true });
  }
}, 90_000);
