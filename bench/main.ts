/** `npm run bench -- NAME [--json] [--quick] [--devices N] [--suite N]`: exit code 1 when something is found that must not be. */
import { parseArgs } from "node:util";
import { append } from "./append.ts";
import { commitStorm } from "./commitStorm.ts";
import { coldStart } from "./coldStart.ts";
import { mls } from "./mls/main.ts";
import { thousand } from "./thousand.ts";
import { notZero, render, type BenchOptions, type Report } from "./report.ts";

interface Bench {
  readonly about: string;
  readonly run: (options: BenchOptions) => Promise<Report>;
  /** Fields of the report's JSON that are zero where all is well. */
  readonly zero?: readonly string[];
}

const benches: Readonly<Record<string, Bench>> = {
  append: { about: "what one message to two other devices costs on AWS, from the local cloud's meter", run: append },
  "cold-start": { about: "size and import time of each Lambda bundle", run: coldStart },
  "commit-storm": {
    about: "all devices of a group commit at the same moment, on the local cloud",
    run: commitStorm,
    zero: ["apart", "lost", "doubled", "unreadable", "failures"],
  },
  mls: { about: "the MLS engine against its floor and other libraries, in Node and Chromium", run: mls },
  thousand: {
    about: "a group of a thousand devices: times, bytes and what AWS would bill, on the local cloud",
    run: thousand,
    zero: ["apart", "lost", "doubled", "failures"],
  },
};

async function main(args: readonly string[]): Promise<number> {
  const parsed = parse(args);
  const bench = parsed && (Object.hasOwn(benches, parsed.names[0] ?? "") ? benches[parsed.names[0]!] : undefined);
  if (bench === undefined || parsed?.names.length !== 1) {
    console.error("usage: npm run bench -- NAME [--json] [--quick] [--devices N] [--suite NUMBER]\n");
    for (const [name, { about }] of Object.entries(benches)) console.error(`  ${name.padEnd(12)} ${about}`);
    return 2;
  }
  const report = await bench.run(parsed.options);
  console.log(render(report));
  if (parsed.json) console.log(JSON.stringify(report.json));
  const wrong = notZero(report, bench.zero ?? []);
  if (wrong.length > 0) console.error(`FAILED, for these must be zero: ${wrong.join(", ")}`);
  return wrong.length > 0 ? 1 : 0;
}

/** Undefined where it is not understood. */
function parse(
  args: readonly string[],
): { readonly names: readonly string[]; readonly json: boolean; readonly options: BenchOptions } | undefined {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        json: { type: "boolean" },
        quick: { type: "boolean" },
        devices: { type: "string" },
        suite: { type: "string" },
      },
    });
    const { json = false, quick = false, devices, suite } = values;
    const numbers = {
      devices: devices === undefined ? undefined : Number(devices),
      suite: suite === undefined ? undefined : Number(suite),
    };
    if (Object.values(numbers).some((number) => number !== undefined && !(number > 0))) return undefined;
    return { names: positionals, json, options: { quick, ...numbers } };
  } catch {
    return undefined;
  }
}

process.exitCode = await main(process.argv.slice(2));
