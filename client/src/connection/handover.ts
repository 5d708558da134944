/**
 * One socket takes over from another without losing an answer: the relay closes the old one as soon as it has read the new one's
 * `hello`, so what the old one was asked is answered before that is said, and what is asked meanwhile goes to the new one.
 */
import { deferred, type Deferred } from "../deferred.ts";
import type { Clock } from "../ports.ts";
import type { RelaySocket } from "./relaySocket.ts";

/** Milliseconds that the new socket waits for the old one's answers: longer, and they count as lost. */
const answersWithin = 2_000;
/** Milliseconds that a request waits for the new socket. */
const longestHold = 5_000;

export class Handover {
  readonly #clock: Clock;
  #held: Deferred<void> | undefined;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Settles when requests may be sent. */
  get over(): Promise<void> | undefined {
    return this.#held?.promise;
  }

  /** Resolves when `old` has been answered. */
  async begin(old: RelaySocket): Promise<void> {
    this.end();
    this.#held = deferred();
    this.#cancel = this.#clock.after(longestHold, () => this.end());
    let cancel = (): void => {};
    const late = new Promise<void>((resolve) => (cancel = this.#clock.after(answersWithin, resolve)));
    await Promise.race([old.settled(), late]);
    cancel();
  }

  end(): void {
    this.#cancel?.();
    this.#held?.resolve();
    this.#held = undefined;
  }
}
