/**
 * Size of each Lambda bundle and the time that a fresh Node process takes to import it, beside one bare SDK client:
 * what a cold start pays for our code, apart from AWS's own part.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";
import { root } from "../demo/cloud.ts";
import { synthesise } from "../demo/synth.ts";
import { median, type BenchOptions, type Report } from "./report.ts";

interface Bundle {
  readonly name: string;
  readonly file: string;
  readonly environment: Readonly<Record<string, string>>;
}

const limit = { bytes: 400_000, importMs: 150 };

export async function coldStart({ quick }: BenchOptions): Promise<Report> {
  const assembly = await synthesise(root, (line) =>
    process.stderr.write(`${line}
`),
  );
  const folder = await mkdtemp(join(tmpdir(), "tacit-bench-"));
  try {
    const bundles = [...(await functionsOf(assembly)), await bareClient(folder)];
    const times = new Map<string, number[]>(bundles.map(({ name }) => [name, []]));
    // Rounds over all bundles, so that what else this machine does falls on all of them alike.
    for (let round = 0; round < (quick ? 3 : 15); round++) {
      for (const bundle of bundles) times.get(bundle.name)!.push(await importTime(bundle));
    }
    const measured = await Promise.all(
      bundles.map(async ({ name, file }) => ({
        name,
        bytes: (await stat(file)).size,
        importMs: median(times.get(name)!),
      })),
    );
    const bare = measured.at(-1)!;
    return {
      title: `Cold start: what each function imports (Node ${process.versions.node}, median of fresh processes)`,
      columns: [
        "bundle",
        "bytes",
        "import ms",
        "of one SDK client",
        `below ${limit.bytes / 1000} KB and ${limit.importMs} ms`,
      ],
      rows: measured.map(({ name, bytes, importMs }) => [
        name,
        bytes,
        importMs,
        `${(importMs / bare.importMs).toFixed(2)}x`,
        name === bare.name ? "" : bytes < limit.bytes && importMs < limit.importMs ? "yes" : "NO",
      ]),
      json: { functions: measured.slice(0, -1), bareSdkClient: bare },
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

interface Template {
  readonly Resources: Record<
    string,
    { readonly Type: string; readonly Metadata?: Record<string, string>; readonly Properties: Record<string, never> }
  >;
}

async function functionsOf(assembly: string): Promise<Bundle[]> {
  const bundles: Bundle[] = [];
  for (const name of (await readdir(assembly)).filter((file) => file.endsWith(".template.json"))) {
    const template = JSON.parse(await readFile(join(assembly, name), "utf8")) as Template;
    for (const [id, { Type, Metadata, Properties }] of Object.entries(template.Resources)) {
      const asset = Metadata?.["aws:asset:path"];
      if (Type !== "AWS::Lambda::Function" || asset === undefined) continue;
      const [file] = (await readdir(join(assembly, asset))).filter((entry) => /^index\.m?js$/.test(entry));
      const variables = Object.keys((Properties["Environment"] as { Variables?: object } | undefined)?.Variables ?? {});
      bundles.push({
        name: id
          .replace(/(Function)?[0-9A-F]{8}$/, "")
          .replace(/(Function|Handler)$/, "")
          .toLowerCase(),
        file: join(assembly, asset, file!),
        environment: Object.fromEntries(
          variables.filter((key) => key !== "NODE_OPTIONS").map((key) => [key, placeholder(key)]),
        ),
      });
    }
  }
  return bundles;
}

/** A value that a handler may read at import; nothing is called. */
function placeholder(variable: string): string {
  return /URL|ENDPOINT|ISSUER/.test(variable) ? "https://example.com" : "1";
}

async function bareClient(folder: string): Promise<Bundle> {
  const file = join(folder, "index.mjs");
  await build({
    stdin: {
      contents:
        'import { DynamoDBClient } from "@aws-sdk/client-dynamodb"; export const client = new DynamoDBClient({});',
      resolveDir: import.meta.dirname,
    },
    outfile: file,
    bundle: true,
    minify: true,
    platform: "node",
    format: "esm",
    target: "node20",
    mainFields: ["module", "main"],
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
  });
  return { name: "(one SDK client)", file, environment: {} };
}

const run = promisify(execFile);

async function importTime({ file, environment }: Bundle): Promise<number> {
  const script = `const t = performance.now(); await import(${JSON.stringify(pathToFileURL(file).href)}); console.log(performance.now() - t); process.exit(0)`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", script], {
    env: { PATH: process.env["PATH"] ?? "", AWS_REGION: "us-east-1", ...environment },
    timeout: 30_000,
  });
  return Number(stdout.trim().split("\n").at(-1));
}
