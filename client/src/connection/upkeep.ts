/**
 * What a registered socket needs while it is in use: `hello` now and then, which confirms and mends the registration, a look where
 * something is odd, and a successor before its lease ends.
 */
import { limits, type Refusal } from "@tacit/protocol";
import type { Hello } from "./openSession.ts";
import type { Clock } from "../ports.ts";
import { Refused, type RelaySocket } from "./relaySocket.ts";
import type { ServerTime } from "./serverTime.ts";
import { backoff } from "../session/backoff.ts";
import { planLease, type Lease } from "../session/lease.ts";

export interface UpkeepOptions {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly uniform: () => number;
  readonly time: ServerTime;
  readonly socket: RelaySocket;
  readonly lease: Lease;
  /** A successor is wanted. The socket goes on until that is registered. */
  readonly replace: () => void;
  /** `hello` was refused. True: the socket was given up for it. */
  readonly refused: (refusal: Refusal) => boolean;
}

/** Milliseconds that a look waits for its answer before a successor is opened beside. */
const hesitation = 1_500;
/** No lease, however short, makes sockets come faster than this. */
const shortestLease = 5_000;
const renewalBackoff = { base: 20_000, cap: 120_000 };
/** A relay that cannot answer now is not helped by ten thousand new sockets. */
const helloBackoff = { base: 10_000, cap: 60_000 };

export class Upkeep {
  readonly #options: UpkeepOptions;
  #lease: Lease;
  #failures = 0;
  #busy = 0;
  #isLooking = false;
  #isDoubted = false;
  #isOver = false;
  readonly #timers = new Map<string, () => void>();

  constructor(options: UpkeepOptions) {
    this.#options = options;
    this.#lease = options.lease;
    this.#keepAlive();
    this.#renewAt(this.#lease.renewAt);
  }

  /** It did not answer when it was looked at: nothing on it is worth waiting for. */
  get isDoubted(): boolean {
    return this.#isDoubted;
  }

  /** Is it there still? Asks; where no answer comes at once, a successor is opened beside it. */
  look(): void {
    if (this.#isLooking || this.#isOver) return;
    this.#isLooking = true;
    this.#after("look", hesitation, () => {
      this.#isDoubted = true;
      this.#options.replace();
    });
    void this.#hello().finally(() => {
      this.#isLooking = false;
      this.#isDoubted = false;
      this.#cancel("look");
    });
  }

  /** The successor did not come: again later. At its end the lease is let go. */
  notReplaced(): void {
    const { time, socket } = this.#options;
    const left = this.#lease.until - time.now();
    if (left <= 0) return socket.close();
    const delay = 1_000 + backoff(renewalBackoff, this.#failures++, this.#options.uniform());
    this.#after("renew", Math.min(left, delay), () => this.#options.replace());
  }

  stop(): void {
    this.#isOver = true;
    for (const name of [...this.#timers.keys()]) this.#cancel(name);
  }

  /** Between seven and nine minutes after the last one. */
  #keepAlive(delay = limits.keepAlive * (1 - 0.2 * this.#options.uniform())): void {
    this.#after("keepAlive", delay, () => void this.#hello());
  }

  async #hello(): Promise<void> {
    const { socket, time, refused } = this.#options;
    try {
      const hello = await socket.request("hello", {});
      time.learn(hello.serverTime);
      if (this.#isOver) return;
      this.#busy = 0;
      this.#isLeasedBy(hello);
      this.#keepAlive();
    } catch (error) {
      if (this.#isOver) return;
      if (!(error instanceof Refused)) return socket.close();
      if (refused(error.refusal)) return;
      if (!error.refusal.retryable) return socket.close();
      this.#keepAlive(1_000 + backoff(helloBackoff, this.#busy++, this.#options.uniform()));
    }
  }

  /** Timers may have stood still and clocks been set since it was planned: what is left is counted anew. */
  #isLeasedBy(hello: Hello): void {
    if (hello.leaseUntil !== this.#lease.until) this.#lease = planLease(hello, undefined, this.#options.uniform());
    if (this.#failures === 0) this.#renewAt(this.#lease.renewAt);
  }

  #renewAt(renewAt: number): void {
    const delay = Math.max(shortestLease, renewAt - this.#options.time.now());
    this.#after("renew", delay, () => this.#options.replace());
  }

  #after(name: string, delay: number, run: () => void): void {
    this.#cancel(name);
    this.#timers.set(
      name,
      this.#options.clock.after(delay, () => {
        this.#timers.delete(name);
        run();
      }),
    );
  }

  #cancel(name: string): void {
    this.#timers.get(name)?.();
    this.#timers.delete(name);
  }
}
