/**
 * The relay's functions as Lambda runs them: environments that serve one invocation at a time and are used again, each call of a port a
 * step at which the function may stop for ever, fail, be late, or be in another's way.
 */
import type { Gate } from "../../../lambdas/core/admit.ts";
import { placeEntry } from "../../../lambdas/core/placeEntry.ts";
import type { Relay } from "../../../lambdas/core/relay.ts";
import type { LandingOutcome, PutOutcome } from "../../../lambdas/ports.ts";
import type { Dice } from "../mls/dice.ts";
import type { Faults } from "./faults.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Trace } from "./trace.ts";

/** What all functions share: the ports, without faults. */
export type SharedPorts = Omit<Relay, "blocked" | "registered" | "place"> & Pick<Gate, "proofs">;

export type Outcome<T> = { readonly kind: "answered"; readonly value: T } | { readonly kind: "failed" };

export interface FunctionsOptions {
  readonly scheduler: Scheduler;
  readonly dice: Dice;
  readonly faults: Faults;
  readonly trace: Trace;
  readonly ports: SharedPorts;
  readonly gate: Omit<Gate, "proofs" | "directory" | "clock">;
}

/** Milliseconds that an invocation may take. */
const timeout = 10_000;

/** Methods that change something. What they answer can be lost, and their client repeats them. */
const writes: ReadonlySet<string> = new Set([
  "log.put",
  "conversations.raiseCeiling",
  "landing.land",
  "inbox.reserve",
  "inbox.send",
  "inbox.remove",
  "stages.lay",
  "stages.note",
  "stages.abandon",
  "directory.put",
  "directory.setReceipt",
  "backups.put",
  "keyPackages.add",
  "keyPackages.setLastResort",
  "keyPackages.take",
  "keyPackages.clear",
  "proofs.firstUse",
  "counters.add",
  "connections.register",
  "connections.unregister",
  "connections.block",
  "blobs.copy",
  "blobs.remove",
  "bells.send",
]);

/** What a call answers where a transaction was in its way. */
const conflicts: Readonly<Record<string, PutOutcome | LandingOutcome>> = {
  "log.put": { landed: false, found: undefined },
  "landing.land": { kind: "conflict" },
};

/** Ports whose methods are steps. Everything else is computed, or is the network's (sockets). */
const steps = [
  "log",
  "conversations",
  "landing",
  "inbox",
  "stages",
  "directory",
  "receipts",
  "backups",
  "keyPackages",
  "proofs",
  "counters",
  "connections",
  "blobs",
  "bells",
] as const;

/** One invocation. */
class Fate {
  readonly end: number;
  isOver = false;
  readonly #stop: () => void;
  constructor(end: number, stop: () => void) {
    this.end = end;
    this.#stop = stop;
  }
  stop(): Promise<never> {
    this.isOver = true;
    this.#stop();
    return new Promise(() => {});
  }
}

interface Environment {
  readonly relay: Relay;
  readonly gate: Gate;
  fate: Fate | undefined;
}

type Method = (...args: readonly unknown[]) => Promise<unknown>;

export class Functions {
  readonly #options: FunctionsOptions;
  readonly #idle: Environment[] = [];

  constructor(options: FunctionsOptions) {
    this.#options = options;
  }

  /** Runs `body` in an environment of its own for that long. `failed`: it stopped, or threw, as the platform sees it. */
  invoke<T>(body: (relay: Relay, gate: Gate) => Promise<T>): Promise<Outcome<T>> {
    const environment = this.#idle.pop() ?? this.#start();
    return new Promise((resolve) => {
      const fate = new Fate(this.#options.scheduler.now + timeout, () => resolve({ kind: "failed" }));
      environment.fate = fate;
      body(environment.relay, environment.gate).then(
        (value) => {
          if (fate.isOver) return;
          this.#idle.push(environment);
          resolve({ kind: "answered", value });
        },
        () => {
          if (fate.isOver) return;
          this.#idle.push(environment);
          resolve({ kind: "failed" });
        },
      );
    });
  }

  #start(): Environment {
    const { ports, dice, scheduler, gate } = this.#options;
    /** Clocks of machines differ a little. */
    const skew = (dice.next() - 0.5) * 200;
    const clock = {
      now: () => Math.floor(scheduler.now + skew),
      sleep: async (milliseconds: number) => {
        await this.#step(environment, "clock.sleep", () => scheduler.sleep(milliseconds));
      },
    };
    const wrapped = Object.fromEntries(steps.map((port) => [port, this.#wrap(port, ports[port], () => environment)]));
    const all = { ...ports, ...wrapped, clock } as SharedPorts;
    const environment: Environment = {
      relay: { ...all, blocked: new Map(), registered: new Set(), place: placeEntry },
      gate: { ...gate, proofs: all.proofs, directory: all.directory, clock },
      fate: undefined,
    };
    return environment;
  }

  #wrap(port: string, inner: object, environment: () => Environment): object {
    const methods = Object.entries(inner as Readonly<Record<string, Method>>);
    return Object.fromEntries(
      methods.map(([name, method]) => [
        name,
        (...args: readonly unknown[]) => this.#step(environment(), `${port}.${name}`, () => method(...args)),
      ]),
    );
  }

  async #step(environment: Environment, call: string, effect: () => Promise<unknown>): Promise<unknown> {
    const { scheduler, dice, faults, trace } = this.#options;
    const { fate } = environment;
    if (fate === undefined || fate.isOver) return new Promise(() => {});
    const isWrite = writes.has(call);
    await scheduler.sleep(faults.strikes("portSlow") ? dice.next() * timeout * 1.2 : 0.5 + dice.next() * 4);
    // It may have stopped at another step: a function has several on their way at once.
    if (fate.isOver) return new Promise(() => {});
    if (scheduler.now > fate.end) {
      faults.count("functionTimedOut");
      return fate.stop();
    }
    if (faults.strikes(isWrite ? "functionKilledBeforeWrite" : "functionKilledAtRead")) {
      trace.note("relay", `stops before ${call}`);
      return fate.stop();
    }
    if (faults.strikes("portThrottled")) throw new Error("throttled");
    const conflict = conflicts[call];
    if (conflict !== undefined && faults.strikes("transactionConflict")) return conflict;
    let result = await effect();
    if (!isWrite) return result;
    trace.note("relay", call);
    if (faults.strikes("writeRepeated")) result = await effect();
    if (faults.strikes("functionKilledAfterWrite")) {
      trace.note("relay", `stops after ${call}`);
      return fate.stop();
    }
    if (faults.strikes("portErrorAfterWrite")) throw new Error("the answer was lost");
    return result;
  }
}
