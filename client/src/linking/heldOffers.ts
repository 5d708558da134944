/**
 * The offers of new devices that came to this one, in memory: whoever has a token of the account can send some, so they are few, and
 * count for nothing until a code names one. A new device repeats its offer, so none is lost by being dropped.
 */
import type { Clock } from "../ports.ts";
import type { LinkOfferMessage } from "../session/identity/accountMessage.ts";

const kept = 32;

export class HeldOffers {
  readonly #clock: Clock;
  #offers: readonly LinkOfferMessage[] = [];
  readonly #waiting = new Set<(offer: LinkOfferMessage) => void>();
  readonly #ends = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(offer: LinkOfferMessage): void {
    this.#offers = [...this.#offers, offer].slice(-kept);
    for (const take of [...this.#waiting]) take(offer);
  }

  /** What `open` makes of the first offer that it does not answer undefined to. Undefined: none came within `patience` milliseconds. */
  find<T>(open: (offer: LinkOfferMessage) => T | undefined, patience: number): Promise<T | undefined> {
    for (const offer of this.#offers) {
      const opened = open(offer);
      if (opened !== undefined) return Promise.resolve(opened);
    }
    return new Promise((resolve) => {
      const settle = (opened: T | undefined): void => {
        cancel();
        this.#waiting.delete(take);
        this.#ends.delete(end);
        resolve(opened);
      };
      const take = (offer: LinkOfferMessage): void => {
        const opened = open(offer);
        if (opened !== undefined) settle(opened);
      };
      const end = (): void => settle(undefined);
      const cancel = this.#clock.after(patience, end);
      this.#waiting.add(take);
      this.#ends.add(end);
    });
  }

  close(): void {
    for (const end of [...this.#ends]) end();
    this.#offers = [];
  }
}
