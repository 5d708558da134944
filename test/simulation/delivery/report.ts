/** `npm run simulate -- delivery`: one seed, or many side by side. */
import { fork } from "node:child_process";
import { createHash } from "node:crypto";
import { availableParallelism } from "node:os";
import type { Report } from "../../../bench/report.ts";
import type { SimulateOptions } from "../options.ts";
import { explain } from "./explain.ts";
import { simulateDelivery, type Delivery, type DeliveryOptions } from "./simulate.ts";

const sums = [
  "delivered",
  "lost",
  "duplicated",
  "reordered",
  "unreadable",
  "other",
  "expired",
  "splits",
  "events",
] as const;
const wrong = ["lost", "duplicated", "reordered", "unreadable", "other"] as const;
/** Failing seeds that are explained. */
const explained = 3;
/** Findings that the JSON lists, each with its conversation and device. */
const listed = 100;
const day = 86_400_000;

export async function deliveryReport(options: SimulateOptions): Promise<Report> {
  const { seed, clients, messages, runs, retention, absences } = options;
  const same = { clients, messages, absences, ...(retention > 0 ? { retention: retention * day } : {}) };
  const all = Array.from({ length: runs }, (_, index) => ({ seed: seed + index, ...same }));
  const started = performance.now();
  const results = runs === 1 ? [await simulateDelivery(all[0] as DeliveryOptions)] : await sideBySide(all);
  const seconds = (performance.now() - started) / 1_000;
  const total = Object.fromEntries(sums.map((name) => [name, results.reduce((sum, result) => sum + result[name], 0)]));
  const failing = results.filter((result) => wrong.some((name) => result[name] > 0)).map((result) => result.seed);
  const stories: string[] = [];
  for (const each of failing.slice(0, explained)) stories.push(...(await explain({ seed: each, ...same })), "");
  const faults = summed(results.map((result) => result.faults));
  const excused = summed(results.map((result) => result.excused));
  const perSecond = (total["delivered"] as number) / seconds;
  return {
    title: `Delivery: ${runs === 1 ? `seed ${seed}` : `seeds ${seed} to ${seed + runs - 1}`}, ${clients} devices, ${messages} messages said in each`,
    columns: ["what", "count"],
    rows: [
      ...Object.entries(total),
      ...Object.entries(excused).map(([why, count]) => [`expired: ${why}`, count] as const),
      ...Object.entries(faults),
    ],
    notes: [
      `${perSecond.toFixed(0)} messages delivered per second; trace ${traceOf(results)}`,
      ...(failing.length === 0 ? [] : ["", `Failing seeds: ${failing.join(", ")}`, "", ...stories]),
    ],
    json: {
      ...total,
      faults,
      failures: summed(results.map(({ failures }) => failures)),
      excused,
      findings: results
        .flatMap(({ seed: of, findings }) => findings.map((finding) => ({ seed: of, ...finding })))
        .slice(0, listed),
      seed,
      runs,
      clients,
      messages,
      trace: traceOf(results),
      failing,
      seconds,
    },
  };
}

/** In as many processes as there are processors, in no order. */
async function sideBySide(all: readonly DeliveryOptions[]): Promise<readonly Delivery[]> {
  const waiting = [...all];
  const results: Delivery[] = [];
  const work = async (): Promise<void> => {
    const child = fork(new URL("./worker.ts", import.meta.url));
    try {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const options = next;
        results.push(
          await new Promise<Delivery>((resolve, reject) => {
            child.once("message", (message) => resolve(message as Delivery));
            child.once("exit", (code) => reject(new Error(`seed ${options.seed}: the process ended with ${code}`)));
            child.send(options);
          }),
        );
        child.removeAllListeners();
      }
    } finally {
      child.kill();
    }
  };
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), all.length) }, work));
  return results.sort((a, b) => a.seed - b.seed);
}

function traceOf(results: readonly Delivery[]): string {
  const [only] = results;
  if (results.length === 1 && only !== undefined) return only.trace;
  return createHash("sha256")
    .update(results.map(({ trace }) => trace).join())
    .digest("hex")
    .slice(0, 16);
}

function summed(counts: readonly Readonly<Record<string, number>>[]): Readonly<Record<string, number>> {
  const all: Record<string, number> = {};
  for (const each of counts) for (const [name, count] of Object.entries(each)) all[name] = (all[name] ?? 0) + count;
  return Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)));
}
