/** `npm run simulate -- NAME [--seed N] [--steps N] [--json]`: exit code 1 when members disagree or something leaks. */
import { render, type Report } from "../../bench/report.ts";
import { mlsReport } from "./mls/report.ts";
import type { SimulateOptions } from "./options.ts";

const simulations: Readonly<
  Record<string, { readonly about: string; readonly run: (options: SimulateOptions) => Promise<Report> }>
> = {
  mls: { about: "random groups of the MLS engine under honest and malicious events, in every suite", run: mlsReport },
};

const defaults: SimulateOptions = { seed: 1, steps: 1000 };

interface Parsed extends SimulateOptions {
  readonly name: string;
  readonly json: boolean;
}

/** `undefined`: not understood. */
function parse(args: readonly string[]): Parsed | undefined {
  const names: string[] = [];
  const numbers: { seed: number; steps: number } = { ...defaults };
  let json = false;
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] as string;
    if (arg === "--json") {
      json = true;
    } else if (arg === "--seed" || arg === "--steps") {
      const text = args[++index] ?? "";
      if (!/^\d{1,9}$/.test(text)) return undefined;
      numbers[arg === "--seed" ? "seed" : "steps"] = Number(text);
    } else if (arg.startsWith("-")) {
      return undefined;
    } else {
      names.push(arg);
    }
  }
  const [name] = names;
  if (name === undefined || names.length > 1 || !Object.hasOwn(simulations, name)) return undefined;
  return { name, json, ...numbers };
}

async function main(args: readonly string[]): Promise<number> {
  const parsed = parse(args);
  const simulation = parsed === undefined ? undefined : simulations[parsed.name];
  if (parsed === undefined || simulation === undefined) {
    console.error("usage: npm run simulate -- NAME [--seed N] [--steps N] [--json]\n");
    for (const [name, { about }] of Object.entries(simulations)) console.error(`  ${name.padEnd(12)} ${about}`);
    return 2;
  }
  const report = await simulation.run(parsed);
  console.log(render(report));
  if (parsed.json) console.log(JSON.stringify(report.json));
  return report.json["disagreements"] === 0 && report.json["leaks"] === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
