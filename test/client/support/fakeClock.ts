/** A clock that stands still until the test moves it, or until nothing else is left to do. */
import type { Clock } from "@tacit/client";

export interface FakeClock extends Clock {
  /** Runs what falls due, in order. */
  advance(milliseconds: number): Promise<void>;
  /** Lets everything happen, and time pass where nothing else does, until `promise` settles. */
  until<T>(promise: Promise<T>, longest?: number): Promise<T>;
  /** Lets everything happen that needs no time. */
  settle(): Promise<void>;
  /** Keeps time from passing until `work` is done. */
  during<T>(work: Promise<T>): Promise<T>;
}

export function fakeClock(start = 1_800_000_000_000): FakeClock {
  let now = start;
  let count = 0;
  let busy = 0;
  const timers = new Map<number, { readonly at: number; readonly run: () => void }>();

  function next(): { readonly id: number; readonly at: number; readonly run: () => void } | undefined {
    return [...timers].map(([id, timer]) => ({ id, ...timer })).sort((a, b) => a.at - b.at || a.id - b.id)[0];
  }
  async function settle(): Promise<void> {
    for (let i = 0; i < 4 || busy > 0; i++) await new Promise((resolve) => setImmediate(resolve));
  }
  function fire({ id, at, run }: NonNullable<ReturnType<typeof next>>): void {
    timers.delete(id);
    now = Math.max(now, at);
    run();
  }

  return {
    now: () => now,
    after(milliseconds, run) {
      const id = count++;
      timers.set(id, { at: now + Math.max(0, Math.ceil(milliseconds)), run });
      return () => void timers.delete(id);
    },
    async advance(milliseconds) {
      const end = now + milliseconds;
      await settle();
      for (let timer = next(); timer !== undefined && timer.at <= end; timer = next()) {
        fire(timer);
        await settle();
      }
      now = end;
    },
    async until(promise, longest = 3_600_000) {
      const end = now + longest;
      let settled = false;
      let idle = 0;
      const done = promise.finally(() => (settled = true));
      done.catch(() => {});
      for (;;) {
        await settle();
        if (settled) return done;
        const timer = next();
        if (timer === undefined) {
          // What waits for no timer waits for the disk.
          if (++idle > 1_000) throw new Error("nothing is left to happen");
          await new Promise((resolve) => setTimeout(resolve, 1));
          continue;
        }
        idle = 0;
        if (timer.at > end) throw new Error(`not within ${longest} ms`);
        fire(timer);
      }
    },
    settle,
    during(work) {
      busy++;
      return work.finally(() => busy--);
    },
  };
}
