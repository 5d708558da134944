/** Very many connections of the client, as they are, before one gateway. */
import type { DeviceHint } from "@tacit/client";
import { Connection } from "../../../client/src/connection/connection.ts";
import type { BackoffOptions } from "../../../client/src/session/backoff.ts";
import { Dice } from "../mls/dice.ts";
import { Gateway } from "./gateway.ts";
import { heapClock, type HeapClock } from "./heapClock.ts";

export interface CrowdOptions {
  readonly seed: number;
  readonly clients: number;
  /** New connections that the gateway admits in a second. */
  readonly perSecond: number;
  /** Default: the client's own. */
  readonly backoff?: BackoffOptions | undefined;
}

export interface Crowd {
  readonly clock: HeapClock;
  readonly gateway: Gateway;
  /** When a connection came (back) into use since `watch` was called, in order. */
  readonly returns: readonly number[];
  readonly isComplete: () => boolean;
  /** Forgets what was counted so far. */
  watch(): void;
  hint(hint: DeviceHint): void;
  close(): void;
}

/** Everybody has connected within one second. */
export async function crowd({ seed, clients, perSecond, backoff }: CrowdOptions): Promise<Crowd> {
  const clock = heapClock();
  const dice = new Dice(seed);
  const gateway = new Gateway(clock, dice, perSecond);
  const up = new Set<number>();
  const returns: number[] = [];
  const connections = Array.from({ length: clients }, (_, device) => {
    const connection = new Connection({
      transport: gateway.transportOf(device),
      clock,
      random: (length) => Uint8Array.from({ length }, () => dice.below(256)),
      url: "wss://relay.test/v1",
      protocols: async () => ["tacit.v1"],
      welcomed: async () => "use",
      catchUp: async () => {},
      push: () => {},
      ...(backoff === undefined ? {} : { backoff }),
    });
    connection.state.subscribe(({ status }) => {
      if (status === "offline" || status === "connecting") up.delete(device);
      else if (!up.has(device)) {
        up.add(device);
        returns.push(clock.now());
      }
    });
    return connection;
  });

  gateway.isLimited = false;
  for (const connection of connections) clock.after(dice.below(1_000), () => connection.start());
  await clock.advance(90_000);
  gateway.isLimited = true;
  return {
    clock,
    gateway,
    returns,
    isComplete: () => up.size === clients,
    watch() {
      returns.length = 0;
      gateway.forgetCounts();
    },
    hint: (hint) => connections.forEach((connection) => connection.hint(hint)),
    close: () => connections.forEach((connection) => connection.close()),
  };
}

/** The most events within any one second. */
export function highestRate(times: readonly number[]): number {
  let highest = 0;
  for (let first = 0, last = 0; last < times.length; last++) {
    while (times[last]! - times[first]! >= 1_000) first++;
    highest = Math.max(highest, last - first + 1);
  }
  return highest;
}
