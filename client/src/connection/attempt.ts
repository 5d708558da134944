/** One attempt to get a socket, as far as others must know of it. */
import type { Clock } from "../ports.ts";

/** An attempt that has not opened by now may be on a network that is gone: milliseconds. */
const slow = 3_000;

export class Attempt {
  readonly #giveUp = new AbortController();
  readonly #cancel: () => void;
  #isOpen = false;
  #isSlow = false;
  /** From here on, the end of the socket before is this one's doing. */
  saidHello = false;

  constructor(clock: Clock) {
    this.#cancel = clock.after(slow, () => (this.#isSlow = true));
  }

  /** Aborted: its opening is given up, for another one at once. */
  get giveUp(): AbortSignal {
    return this.#giveUp.signal;
  }
  get isHurried(): boolean {
    return this.#giveUp.signal.aborted;
  }

  opened(): void {
    this.#isOpen = true;
  }

  /** The network may be another one now. False: it is too young to tell. */
  hurry(): boolean {
    if (!this.#isOpen && this.#isSlow) this.#giveUp.abort();
    return this.#isOpen || this.#isSlow;
  }

  end(): void {
    this.#cancel();
  }
}
