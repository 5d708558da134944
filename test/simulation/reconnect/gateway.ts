/**
 * What a client meets of API Gateway and of the relay's `hello`: so many new connections a second for the whole account, beyond that 429;
 * sockets that live two hours, and ten idle minutes; one registered socket for each device.
 */
import type { Socket, SocketEvents, Transport } from "@tacit/client";
import { limits } from "@tacit/protocol";
import type { Dice } from "../mls/dice.ts";
import type { HeapClock } from "./heapClock.ts";

const idleTimeout = 600_000;

interface Live {
  readonly device: number;
  readonly events: SocketEvents;
  readonly openedAt: number;
  usedAt: number;
  isOver: boolean;
}

export class Gateway {
  readonly #clock: HeapClock;
  readonly #dice: Dice;
  readonly #perSecond: number;
  readonly #registered = new Map<number, Live>();
  #tokens: number;
  #filledAt: number;
  /** False: nothing answers. */
  reachable = true;
  /** False: everybody gets in, as if they had come one by one. */
  isLimited = true;
  /** When sockets were tried to open: milliseconds, in order. */
  attempts: number[] = [];
  refused = 0;
  opened = 0;
  /** Sockets that the platform had to close because nobody came back in time. */
  expired = 0;

  constructor(clock: HeapClock, dice: Dice, perSecond: number) {
    this.#perSecond = this.#tokens = perSecond;
    this.#clock = clock;
    this.#dice = dice;
    this.#filledAt = clock.now();
  }

  get registered(): number {
    return this.#registered.size;
  }

  forgetCounts(): void {
    this.attempts = [];
    this.refused = this.opened = this.expired = 0;
  }

  /** All sockets end in this millisecond. */
  cut(): void {
    for (const live of [...this.#registered.values()]) this.#end(live, 1006);
  }

  transportOf(device: number): Transport {
    return { open: (_url, _protocols, events) => this.#open(device, events) };
  }

  #open(device: number, events: SocketEvents): Socket {
    const clock = this.#clock;
    const live: Live = { device, events, openedAt: clock.now(), usedAt: clock.now(), isOver: false };
    this.attempts.push(clock.now());
    clock.after(30 + this.#dice.below(90), () => {
      if (live.isOver) return;
      if (!this.reachable) return this.#end(live, 1006);
      if (!this.#take()) {
        this.refused++;
        return void clock.after(30 + this.#dice.below(90), () => this.#end(live, 1006));
      }
      clock.after(60 + this.#dice.below(180), () => {
        if (live.isOver) return;
        this.opened++;
        clock.after(limits.connectionLifetime, () => this.#expire(live));
        events.opened();
      });
    });
    return {
      send: (text) => void clock.after(20 + this.#dice.below(60), () => this.#receive(live, text)),
      close: () => this.#end(live, 1000),
    };
  }

  #take(): boolean {
    if (!this.isLimited) return true;
    const now = this.#clock.now();
    const filled = this.#tokens + ((now - this.#filledAt) / 1_000) * this.#perSecond;
    this.#filledAt = now;
    this.#tokens = Math.min(this.#perSecond, filled);
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  #receive(live: Live, text: string): void {
    const { id, op } = JSON.parse(text) as { readonly id: string; readonly op: string };
    const now = this.#clock.now();
    if (live.isOver) return;
    if (now - live.usedAt > idleTimeout) return this.#expire(live);
    live.usedAt = now;
    const before = this.#registered.get(live.device);
    if (op === "hello" && before !== live) {
      this.#registered.set(live.device, live);
      if (before !== undefined) {
        before.events.message(JSON.stringify({ push: "bye", code: "superseded" }));
        this.#end(before, 1000);
      }
    }
    const leaseUntil = live.openedAt + limits.connectionLifetime;
    const device = deviceId(live.device);
    const answer = { account: `user-${live.device}`, device, scope: "full", serverTime: now, leaseUntil };
    this.#clock.after(20 + this.#dice.below(60), () => {
      if (!live.isOver) live.events.message(JSON.stringify({ id, ok: answer }));
    });
  }

  #expire(live: Live): void {
    if (live.isOver) return;
    this.expired++;
    this.#end(live, 1001);
  }

  #end(live: Live, code: number): void {
    if (live.isOver) return;
    live.isOver = true;
    if (this.#registered.get(live.device) === live) this.#registered.delete(live.device);
    live.events.closed(code);
  }
}

/** A thumbprint's shape. */
function deviceId(device: number): string {
  return String(device).padStart(42, "0") + "A";
}
