/**
 * Kills a client at its k-th step: each call of a port is one, before and after its effect. From then on nothing it asks for happens or
 * answers, as if the process had gone; what was stored until then stays.
 */
import type { Clock, Store, Transport } from "@tacit/client";
import type { FakeClock } from "./fakeClock.ts";

export interface Doom {
  /** Steps so far. */
  readonly steps: number;
  readonly isDead: boolean;
  /** Resolves at the death. */
  readonly died: Promise<void>;
  store(store: Store): Store;
  transport(transport: Transport): Transport;
  clock(clock: Clock): Clock;
}

export function doom(atStep: number, time: FakeClock): Doom {
  let steps = 0;
  let dead = false;
  let die!: () => void;
  const died = new Promise<void>((resolve) => (die = resolve));
  const sockets = new Set<{ close(): void }>();

  /** Never resolves once the client is dead. */
  function step(): Promise<void> {
    if (!dead && ++steps === atStep) {
      dead = true;
      for (const socket of sockets) socket.close();
      die();
    }
    return dead ? new Promise(() => {}) : Promise.resolve();
  }
  async function around<T>(effect: () => Promise<T>): Promise<T> {
    await step();
    const result = await effect();
    await step();
    return result;
  }

  /** A write takes its time: whoever does not wait for it is ahead of it, and may die before it is done. */
  async function reachDisk(effect: () => Promise<void>): Promise<void> {
    const written = (async () => {
      for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
      if (!dead) await effect();
    })();
    await time.during(written);
  }

  return {
    get steps() {
      return steps;
    },
    get isDead() {
      return dead;
    },
    died,
    store: (inner) => ({
      get: (keys) => around(() => inner.get(keys)),
      scan: (prefix, options) => around(() => inner.scan(prefix, options)),
      commit: (writes) => around(() => reachDisk(() => inner.commit(writes))),
      close: () => inner.close(),
      ...(inner.vault === undefined ? {} : { vault: inner.vault }),
    }),
    clock: (inner) => ({
      now: () => inner.now(),
      after: (milliseconds, run) => inner.after(milliseconds, () => void step().then(run)),
    }),
    transport: (inner) => ({
      open(url, protocols, events) {
        const alive = (run: () => void) => (): void => void step().then(run);
        const socket = inner.open(url, protocols, {
          opened: alive(() => events.opened()),
          message: (text) => alive(() => events.message(text))(),
          closed: (code) => alive(() => events.closed(code))(),
        });
        sockets.add(socket);
        return {
          send: (text) => void step().then(() => socket.send(text)),
          close: () => socket.close(),
        };
      },
    }),
  };
}
