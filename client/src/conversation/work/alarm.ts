/** One time at which to look again; the newest one counts. */
import type { Clock } from "../../ports.ts";

export class Alarm {
  readonly #clock: Clock;
  readonly #ring: () => void;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  /** `time` by the clock. */
  set(time: number): void {
    this.cancel();
    this.#cancel = this.#clock.after(Math.max(0, time - this.#clock.now()), () => {
      this.#cancel = undefined;
      this.#ring();
    });
  }

  cancel(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
