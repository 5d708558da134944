/**
 * Whether anybody needs the connection. In the foreground, always. In the background for `restAfter`, counted anew whenever it is
 * needed; then it is let go, and no timer is left that could wake the device.
 */
import type { Clock } from "../ports.ts";

export interface ActivityOptions {
  readonly clock: Clock;
  /** Milliseconds; Infinity: the background needs it as the foreground does. */
  readonly restAfter: number;
  /** Lets the connection go. False: it is in the middle of something, and `force` is not set. */
  readonly rest: (force: boolean) => boolean;
}

/** What is under way may finish: so many times, a pause of so many milliseconds. */
const postponements = 10;
const pause = 3_000;

export class Activity {
  readonly #options: ActivityOptions;
  #isBackground = false;
  #cancel: (() => void) | undefined;

  constructor(options: ActivityOptions) {
    this.#options = options;
  }

  get isBackground(): boolean {
    return this.#isBackground;
  }

  foreground(): void {
    this.#isBackground = false;
    this.stop();
  }

  background(): void {
    this.#isBackground = true;
    this.needed();
  }

  needed(): void {
    this.stop();
    const { restAfter } = this.#options;
    if (this.#isBackground && Number.isFinite(restAfter)) this.#restIn(restAfter, 0);
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #restIn(delay: number, tries: number): void {
    this.#cancel = this.#options.clock.after(delay, () => {
      this.#cancel = undefined;
      if (!this.#options.rest(tries >= postponements)) this.#restIn(pause, tries + 1);
    });
  }
}
