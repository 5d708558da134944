/** What goes wrong, how often, and how often it did. */
import type { Dice } from "../mls/dice.ts";

/** Chance at each occasion, before the run's own severity. */
const chances = {
  /** A function of the relay stops for ever before, or after, a call of a port; its environment goes with it. */
  functionKilledBeforeWrite: 0.012,
  functionKilledAfterWrite: 0.012,
  functionKilledAtRead: 0.002,
  /** A call takes seconds, so that others overtake it, or the function's time runs out. */
  portSlow: 0.003,
  functionTimedOut: 0,
  /** The database throttles; nothing happened. */
  portThrottled: 0.006,
  /** It did happen, and the function is told that it failed. */
  portErrorAfterWrite: 0.008,
  /** Another transaction was in the way. */
  transactionConflict: 0.03,
  /** The database's client repeats a write whose answer it lost. */
  writeRepeated: 0.03,
  doorbellLost: 0.1,
  doorbellLate: 0.1,
  doorbellDoubled: 0.1,
  /** Not drawn: a doorbell that arrived after one that was rung later. */
  doorbellReordered: 0,
  doorbellFailed: 0.01,
  /** Not drawn: rung at a socket that the gateway knows to be closed (410). */
  doorbellGone: 0,
  requestLost: 0.006,
  requestLate: 0.02,
  answerLost: 0.006,
  answerLate: 0.02,
  /** The platform answers instead of the function. */
  platformThrottled: 0.006,
  upgradeFailed: 0.05,
  tokenFailed: 0.01,
  socketCut: 0.004,
  /** The relay goes on taking a socket for open whose client has gone. */
  socketStale: 0.3,
  /** The other way round: a client hears nothing any more and is not told. */
  socketSilent: 0.001,
  socketIdled: 0,
  socketOutlived: 0,
  disconnectLost: 0.1,
  /** A client stops at a step, and comes back from what its store holds. */
  clientCrashed: 0.0012,
  storeFailed: 0.002,
  storeSlow: 0.01,
  transferFailed: 0.02,
  /** Not drawn here: things that the workload does (actions.ts). */
  clockJumped: 0,
  ttlDeleted: 0,
  deviceAway: 0,
  everybodyAway: 0,
  deviceAwayLong: 0,
  deviceLinked: 0,
  deviceRevoked: 0,
  keyPackagesExhausted: 0,
  repairAsked: 0,
  garbagePosted: 0,
} as const;

export type Fault = keyof typeof chances;

export class Faults {
  readonly counts: Record<string, number> = {};
  readonly #dice: Dice;
  readonly #severity: number;
  /** False: nothing goes wrong any more. */
  active = false;

  constructor(dice: Dice, severity: number) {
    this.#dice = dice;
    this.#severity = severity;
  }

  /** Whether it happens here. */
  strikes(fault: Fault): boolean {
    if (!this.active || !this.#dice.chance(chances[fault] * this.#severity)) return false;
    this.count(fault);
    return true;
  }

  count(fault: Fault): void {
    this.counts[fault] = (this.counts[fault] ?? 0) + 1;
  }
}
