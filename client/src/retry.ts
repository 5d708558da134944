/** Repeating what was not done: at once the first time, then later and later. */
import type { Clock } from "./ports.ts";
import { backoff, retryBackoff, uniformOf } from "./session/backoff.ts";
import type { CryptoContext } from "./session/cryptoContext.ts";

export interface RetryDeps {
  readonly clock: Clock;
  readonly context: () => Pick<CryptoContext, "provider">;
}

export class Retry {
  readonly #deps: RetryDeps;
  readonly #due: () => void;
  /** Failures since something was done. */
  #attempt = 0;
  #cancel: (() => void) | undefined;

  /** `due`: called when it is time. */
  constructor(deps: RetryDeps, due: () => void) {
    this.#deps = deps;
    this.#due = due;
  }

  get isWaiting(): boolean {
    return this.#cancel !== undefined;
  }

  /** There is progress: the next failure is the first. */
  startOver(): void {
    this.#attempt = 0;
  }

  /** Goes on at once the first time, then with backoff: what should have made progress may not have. @throws `error` */
  again(error: Error): void {
    if (this.#attempt++ > 0) throw error;
  }

  /** After at least `wait` milliseconds. */
  later(wait: number): void {
    const { clock, context } = this.#deps;
    const delay = wait + 50 + backoff(retryBackoff, this.#attempt++, uniformOf(context().provider.random));
    this.#cancel = clock.after(delay, () => {
      this.#cancel = undefined;
      this.#due();
    });
  }

  cancel(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
