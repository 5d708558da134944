/**
 * Acts on hints without being driven by them: soon after the first one, spread, because a whole building may have got the same one;
 * then not again for a while, however often a network comes and goes.
 */
import type { Clock } from "../ports.ts";

/** Milliseconds: a burst of hints (offline, online, another type) is one; and the spread on top. */
const settling = 200;
const spread = 800;
const cooling = 5_000;

export class Calm {
  readonly #clock: Clock;
  readonly #uniform: () => number;
  readonly #act: () => void;
  #state: "idle" | "settling" | "cooling" = "idle";
  #again = false;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, uniform: () => number, act: () => void) {
    this.#clock = clock;
    this.#uniform = uniform;
    this.#act = act;
  }

  ask(): void {
    if (this.#state === "idle") this.#settle();
    else if (this.#state === "cooling") this.#again = true;
  }

  stop(): void {
    this.#cancel?.();
    this.#state = "idle";
    this.#again = false;
  }

  #settle(): void {
    this.#state = "settling";
    this.#cancel = this.#clock.after(settling + spread * this.#uniform(), () => {
      this.#state = "cooling";
      this.#again = false;
      this.#cancel = this.#clock.after(cooling, () => this.#cooled());
      this.#act();
    });
  }

  #cooled(): void {
    this.#state = "idle";
    if (this.#again) this.#settle();
  }
}
