/**
 * Tells a deployment that refuses from a network that fails, as far as the platform lets it be seen. Node and React Native show the
 * status of a refused upgrade. Browsers show nothing: there it is a refusal where the socket never opens, again and again, and the
 * same host answers HTTP all the while.
 */
import { TacitError } from "../errors.ts";
import type { Clock } from "../ports.ts";
import type { NotOpened } from "./relaySocket.ts";

export interface RefusalWatchOptions {
  readonly clock: Clock;
  readonly reachable: (() => Promise<boolean>) | undefined;
}

/** A wrong verdict tells a user to sign in again. One refusal may be a deployment that is being changed. */
const enough = 3;
/** Where a socket has opened before, the same silence is more likely an outage, or a crowd at the door. */
const enoughAfterOpening = 6;
const reachableTimeout = 5_000;

export class RefusalWatch {
  readonly #options: RefusalWatchOptions;
  #refused = 0;
  #silent = 0;
  #hasOpened = false;

  constructor(options: RefusalWatchOptions) {
    this.#options = options;
  }

  /** The deployment said so itself: coming back soon changes nothing. */
  get isCertain(): boolean {
    return this.#refused >= enough;
  }

  opened(): void {
    this.#hasOpened = true;
    this.#refused = this.#silent = 0;
  }

  /** Why no socket opened, in the light of those that did not open before it. */
  async judge(error: NotOpened): Promise<TacitError> {
    const { status, timedOut } = error;
    const isRefusal = status === 401 || status === 403;
    this.#refused = isRefusal ? this.#refused + 1 : 0;
    this.#silent = status === undefined && !timedOut ? this.#silent + 1 : 0;
    if (this.isCertain) return new TacitError("refused", `the deployment refuses the socket (${status})`);
    if (this.#silent >= (this.#hasOpened ? enoughAfterOpening : enough) && (await this.#isReachable())) {
      return new TacitError("refused", "the deployment answers, and opens no socket");
    }
    return new TacitError("connection_lost", "there is no connection", { cause: error });
  }

  async #isReachable(): Promise<boolean> {
    const { reachable, clock } = this.#options;
    if (reachable === undefined) return false;
    let cancel = (): void => {};
    const late = new Promise<boolean>((resolve) => (cancel = clock.after(reachableTimeout, () => resolve(false))));
    return Promise.race([reachable().catch(() => false), late]).finally(cancel);
  }
}
