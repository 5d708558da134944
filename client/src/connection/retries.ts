/** How long to stay away between attempts, and what counts as a failure. */
import { pause } from "./pause.ts";
import type { Clock } from "../ports.ts";
import { backoff, type BackoffOptions } from "../session/backoff.ts";

/** A socket that lived this long was no failure, whatever ended it: milliseconds. */
const steadyAfter = 60_000;
const longestRetryAfter = 60_000;

export class Retries {
  readonly #clock: Clock;
  readonly #uniform: () => number;
  #failures = 0;
  #hasten: (() => void) | undefined;
  #cancelSteady: (() => void) | undefined;

  constructor(clock: Clock, uniform: () => number) {
    this.#clock = clock;
    this.#uniform = uniform;
  }

  /** Of the attempt that is made now or next, from 1. */
  get attempt(): number {
    return this.#failures + 1;
  }

  /** `over` resolves after `delay`, with `hasten`, or when `run` is aborted. */
  pause(pace: BackoffOptions, retryAfter: number, run: AbortSignal): { readonly delay: number; over: Promise<void> } {
    const jittered = backoff(pace, this.#failures++, this.#uniform());
    const delay = Math.max(jittered, Math.min(retryAfter, longestRetryAfter));
    const { over, hasten } = pause(this.#clock, delay, run);
    this.#hasten = hasten;
    return { delay, over };
  }

  /** Things have changed: what failed before says little, so the next wait is the second one again. */
  hasten(): void {
    this.#failures = Math.min(this.#failures, 1);
    this.#hasten?.();
  }

  /** There is a socket in use. */
  succeeded(): void {
    this.#cancelSteady ??= this.#clock.after(steadyAfter, () => (this.#failures = 0));
  }

  /** There is none any more: one that did not live for long was one more failure. */
  lost(): void {
    this.#cancelSteady?.();
    this.#cancelSteady = undefined;
  }

  reset(): void {
    this.lost();
    this.#failures = 0;
  }
}
