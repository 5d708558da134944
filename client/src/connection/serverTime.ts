/** The relay's clock as this device knows it: proofs are made by it, so a device whose own clock is wrong gets in all the same. */
import type { Clock } from "../ports.ts";

export class ServerTime {
  readonly #clock: Clock;
  /** Server's time minus the clock's. */
  #offset = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whole milliseconds since 1970. Wrong after somebody has set the clock, until the relay has been heard again. */
  now(): number {
    return Math.floor(this.#clock.now() + this.#offset);
  }

  learn(serverTime: number): void {
    this.#offset = serverTime - this.#clock.now();
  }
}
