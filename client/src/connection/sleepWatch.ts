/**
 * Notices that the device slept, or that somebody set its clock: by a timer that is compared with the clock. On most platforms a
 * timer stands still while the device sleeps, so nothing else would tell for minutes. It runs only while somebody looks at the app:
 * the device is awake then, and nothing is woken.
 */
import type { Clock } from "../ports.ts";

const interval = 20_000;
/** A busy page runs its timers late, and clocks are corrected by a little: milliseconds that mean nothing. */
const tolerance = 5_000;

export class SleepWatch {
  readonly #clock: Clock;
  readonly #disturbed: () => void;
  #since = 0;
  #cancel: (() => void) | undefined;

  /** `disturbed`: time went on without this process, or the clock jumped, either way. */
  constructor(clock: Clock, disturbed: () => void) {
    this.#clock = clock;
    this.#disturbed = disturbed;
  }

  start(): void {
    if (this.#cancel === undefined) this.#arm();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** Looks now: somebody is about to rely on the connection. */
  check(): void {
    if (this.#cancel === undefined) return;
    const passed = this.#clock.now() - this.#since;
    if (passed < -tolerance || passed > interval + tolerance) this.#again();
  }

  #arm(): void {
    this.#since = this.#clock.now();
    this.#cancel = this.#clock.after(interval, () => {
      const late = this.#clock.now() - this.#since - interval;
      if (Math.abs(late) > tolerance) this.#again();
      else this.#arm();
    });
  }

  #again(): void {
    this.#cancel?.();
    this.#arm();
    this.#disturbed();
  }
}
