/**
 * One run from a seed: real clients and the relay's real rules in one process and in a time of their own.
 *
 * Where to add: what people may do, in actions.ts; what may go wrong, in faults.ts; when it happens, in workload.ts; who is a member of
 * what at which place of the log, and what counts as lost there, in checker.ts; what only a liar does, in plants.ts.
 */
import { check } from "./checker.ts";
import type { Finding } from "./oracle.ts";
import type { TraceLine } from "./trace.ts";
import { runWorkload } from "./workload.ts";
import { World, type WorldOptions } from "./world.ts";

export interface DeliveryOptions extends WorldOptions {
  /** How many are said before faults end. */
  readonly messages: number;
  /** Of actions that are to come more often than usual, or less. */
  readonly weights?: Readonly<Record<string, number>>;
  /** How many times as often as usual everybody is away, 1 by default; above 1, three times in ten for up to 400 days. */
  readonly absences?: number;
}

export interface Delivery {
  readonly seed: number;
  readonly delivered: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  readonly unreadable: number;
  readonly other: number;
  /** Not shown, and honestly said to be missing, or excused otherwise: by why (causes.ts). */
  readonly excused: Readonly<Record<string, number>>;
  /** The sum of those. */
  readonly expired: number;
  /** How often members went on apart, after all had lost a log to commits that expired unread (checker.ts). */
  readonly splits: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly failures: Readonly<Record<string, number>>;
  readonly events: number;
  /** Equal for equal options. */
  readonly trace: string;
  readonly findings: readonly Finding[];
  readonly lines: readonly TraceLine[];
}

export async function simulateDelivery(options: DeliveryOptions): Promise<Delivery> {
  const { seed } = options;
  const world = new World(options);
  await runWorkload(world, options);
  const { delivered, excused, splits, findings } = check(world);
  for (const device of world.devices) device.crash();
  const count = (kind: Finding["kind"]): number => findings.filter((finding) => finding.kind === kind).length;
  return {
    seed,
    delivered,
    lost: count("lost"),
    duplicated: count("duplicated"),
    reordered: count("reordered"),
    unreadable: count("unreadable"),
    other: count("other"),
    excused,
    splits,
    expired: Object.values(excused).reduce((sum, each) => sum + each, 0),
    faults: world.faults.counts,
    failures: world.oracle.failures,
    events: world.scheduler.events,
    trace: world.trace.digest(),
    findings,
    lines: world.trace.lines,
  };
}
