/** `npm run bench -- NAME [--json] [--quick]` */
import { append } from "./append.ts";
import { coldStart } from "./coldStart.ts";
import { mls } from "./mls/main.ts";
import { render, type BenchOptions, type Report } from "./report.ts";

const benches: Readonly<
  Record<string, { readonly about: string; readonly run: (options: BenchOptions) => Promise<Report> }>
> = {
  append: { about: "what one message to two other devices costs on AWS, from the local cloud's meter", run: append },
  "cold-start": { about: "size and import time of each Lambda bundle", run: coldStart },
  mls: { about: "the MLS engine against its floor and other libraries, in Node and Chromium", run: mls },
};

async function main(args: readonly string[]): Promise<number> {
  const names = args.filter((arg) => !arg.startsWith("--"));
  const unknown = args.filter((arg) => arg.startsWith("--") && arg !== "--json" && arg !== "--quick");
  const bench = Object.hasOwn(benches, names[0] ?? "") ? benches[names[0]!] : undefined;
  if (bench === undefined || names.length !== 1 || unknown.length > 0) {
    console.error("usage: npm run bench -- NAME [--json] [--quick]\n");
    for (const [name, { about }] of Object.entries(benches)) console.error(`  ${name.padEnd(12)} ${about}`);
    return 2;
  }
  const report = await bench.run({ quick: args.includes("--quick") });
  console.log(render(report));
  if (args.includes("--json")) console.log(JSON.stringify(report.json));
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
