/** `npm run simulate -- mls`: many groups, in every suite, from one seed. */
import { cipherSuites } from "@tacit/mls";
import type { Report } from "../../../bench/report.ts";
import type { SimulateOptions } from "../options.ts";
import { Dice } from "./dice.ts";
import { simulate, type Simulated } from "./simulate.ts";

const s = cipherSuites;
/** In the order of the groups. The post-quantum suites take several times as long and come less often, never not at all. */
const suites: readonly number[] = [
  s.MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519,
  s.MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519,
  s.MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519,
  s.MLS_128_DHKEMP256_AES128GCM_SHA256_P256,
  s.MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519,
  s.MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519,
  s.MLS_128_MLKEM768X25519_AES128GCM_SHA256_Ed25519,
  s.MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519,
];
const names = new Map<number, string>(Object.entries(cipherSuites).map(([name, id]) => [id, name]));
const stepsPerGroup = 200;
const postQuantum = 0xf000;

/** Most groups are small, where the corners are; some are as large as 64. */
function maximumOf(dice: Dice, suite: number): number {
  const drawn = dice.pick([3, 5, 8, 8, 12, 16, 24, 64]);
  return suite >= postQuantum ? Math.min(drawn, 16) : drawn;
}

/** The groups of one run, one after the other. */
export async function simulateMany(seed: number, steps: number): Promise<ReadonlyMap<number, readonly Simulated[]>> {
  const dice = new Dice(seed);
  const results = new Map<number, Simulated[]>();
  let done = 0;
  // Where the first group begins differs, so that short runs over many seeds see every suite.
  for (let group = 0; done < steps; group++) {
    const suite = suites[(seed + group) % suites.length] as number;
    const planned = Math.min(stepsPerGroup, steps - done);
    const result = await simulate({
      suite,
      seed: Math.floor(dice.next() * 2 ** 32),
      steps: planned,
      maximum: maximumOf(dice, suite),
    });
    results.set(suite, [...(results.get(suite) ?? []), result]);
    done += planned;
  }
  return results;
}

const sum = (results: readonly Simulated[], count: (each: Simulated) => number): number =>
  results.reduce((total, each) => total + count(each), 0);

/** Columns of the table, and sums in the JSON. */
const columns = {
  groups: (results: readonly Simulated[]) => results.length,
  steps: (results: readonly Simulated[]) => sum(results, ({ steps }) => steps),
  largest: (results: readonly Simulated[]) => Math.max(0, ...results.map(({ largest }) => largest)),
  commits: (results: readonly Simulated[]) => sum(results, ({ commits }) => commits),
  removals: (results: readonly Simulated[]) => sum(results, ({ removals }) => removals),
  externalJoins: (results: readonly Simulated[]) => sum(results, ({ externalJoins }) => externalJoins),
  messages: (results: readonly Simulated[]) => sum(results, ({ messages }) => messages),
  refusedAttacks: (results: readonly Simulated[]) => sum(results, ({ refusedAttacks }) => refusedAttacks),
  restarts: (results: readonly Simulated[]) => sum(results, ({ restarts }) => restarts),
  disagreements: (results: readonly Simulated[]) => sum(results, ({ disagreements }) => disagreements),
  leaks: (results: readonly Simulated[]) => sum(results, ({ leaks }) => leaks),
} as const;

const titles: readonly string[] = [
  "groups",
  "steps",
  "largest",
  "commits",
  "removals",
  "ext. joins",
  "msgs read",
  "refusals",
  "restarts",
  "disagreements",
  "leaks",
];

export async function mlsReport({ seed, steps }: SimulateOptions): Promise<Report> {
  const start = performance.now();
  const bySuite = await simulateMany(seed, steps);
  const all = [...bySuite.values()].flat();
  const row = (name: string, results: readonly Simulated[]): (string | number)[] => [
    name,
    ...Object.values(columns).map((column) => column(results)),
  ];
  const rows = [...bySuite]
    .sort(([a], [b]) => a - b)
    .map(([suite, results]) => row((names.get(suite) ?? String(suite)).replace("MLS_128_", ""), results));
  const findings = all.flatMap((result) => result.findings);
  const seconds = (performance.now() - start) / 1000;
  return {
    title: `MLS engine: ${steps} random steps from seed ${seed}, in ${seconds.toFixed(0)} s`,
    columns: ["suite", ...titles],
    rows: [...rows, row("all", all)],
    notes:
      findings.length === 0
        ? [
            "After every step all members agreed, and no removed member, with its whole old state, could read or derive anything.",
          ]
        : findings.slice(0, 20),
    json: {
      seed,
      ...Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, column(all)])),
      findings: findings.slice(0, 20),
    },
  };
}
