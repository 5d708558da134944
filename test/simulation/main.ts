/** `npm run simulate -- NAME [--seed N] [--OPTION N] [--json]`: exit code 1 when something is found that must not be. */
import { render, type Report } from "../../bench/report.ts";
import { deliveryReport } from "./delivery/report.ts";
import { mlsReport } from "./mls/report.ts";
import type { SimulateOptions } from "./options.ts";
import { reconnectReport } from "./reconnect/report.ts";

interface Simulation {
  readonly about: string;
  readonly run: (options: SimulateOptions) => Promise<Report>;
  /** Fields of the report's JSON that are zero where all is well. */
  readonly zero: readonly string[];
  readonly defaults?: Partial<SimulateOptions>;
}

const simulations: Readonly<Record<string, Simulation>> = {
  mls: {
    about: "random groups of the MLS engine under honest and malicious events, in every suite (--steps)",
    run: mlsReport,
    zero: ["disagreements", "leaks"],
  },
  reconnect: {
    about: "clients that lose their connections as one, behind 500 new connections a second (--clients)",
    run: reconnectReport,
    zero: ["stranded", "late", "crowdedRenewals"],
    defaults: { clients: 10_000 },
  },
  delivery: {
    about:
      "clients over the relay's rules while everything fails that can (--clients, --messages, --runs, --retention, --absences)",
    run: deliveryReport,
    zero: ["lost", "duplicated", "reordered", "unreadable", "other"],
  },
};

const defaults: SimulateOptions = {
  seed: 1,
  steps: 1000,
  clients: 8,
  messages: 1000,
  runs: 1,
  retention: 0,
  absences: 1,
};

interface Parsed extends SimulateOptions {
  readonly name: string;
  readonly json: boolean;
}

/** `undefined`: not understood. */
function parse(args: readonly string[]): Parsed | undefined {
  const names: string[] = [];
  const numbers: Partial<Record<keyof SimulateOptions, number>> = {};
  let json = false;
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] as string;
    if (arg === "--json") {
      json = true;
    } else if (arg.startsWith("--") && Object.hasOwn(defaults, arg.slice(2))) {
      const text = args[++index] ?? "";
      if (!/^\d{1,9}$/.test(text)) return undefined;
      numbers[arg.slice(2) as keyof SimulateOptions] = Number(text);
    } else if (arg.startsWith("-")) {
      return undefined;
    } else {
      names.push(arg);
    }
  }
  const [name] = names;
  if (name === undefined || names.length > 1 || !Object.hasOwn(simulations, name)) return undefined;
  return { name, json, ...defaults, ...simulations[name]?.defaults, ...numbers };
}

async function main(args: readonly string[]): Promise<number> {
  const parsed = parse(args);
  const simulation = parsed === undefined ? undefined : simulations[parsed.name];
  if (parsed === undefined || simulation === undefined) {
    console.error("usage: npm run simulate -- NAME [--seed N] [--OPTION N] [--json]\n");
    for (const [name, { about }] of Object.entries(simulations)) console.error(`  ${name.padEnd(12)} ${about}`);
    return 2;
  }
  const report = await simulation.run(parsed);
  console.log(render(report));
  if (parsed.json) console.log(JSON.stringify(report.json));
  return simulation.zero.every((name) => report.json[name] === 0) ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
