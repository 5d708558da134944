/** Collects what somebody reads, and waits for it. */
import type { Line } from "./script.ts";

export type Reader = {
  readonly lines: readonly Line[];
  take(line: Line): void;
  /** Rejects every wait, now and later. */
  fail(error: Error): void;
  /** Resolves once `text` was read. Rejects after `milliseconds`. */
  until(text: string, milliseconds: number): Promise<void>;
};

export function createReader(name: string): Reader {
  const lines: Line[] = [];
  const waiting = new Set<{ readonly check: () => void; readonly reject: (error: Error) => void }>();
  let failure: Error | undefined;
  return {
    lines,
    take(line) {
      lines.push(line);
      for (const { check } of waiting) check();
    },
    fail(error) {
      failure = error;
      for (const { reject } of waiting) reject(error);
    },
    until(text, milliseconds) {
      const { promise, resolve, reject } = deferred();
      if (failure !== undefined) reject(failure);
      const wait = { check: () => lines.some((line) => line.text === text) && resolve(), reject };
      const timer = setTimeout(() => reject(new Error(`${name} did not read "${text}" in time`)), milliseconds);
      waiting.add(wait);
      wait.check();
      return promise.finally(() => {
        clearTimeout(timer);
        waiting.delete(wait);
      });
    },
  };
}

function deferred() {
  let resolve: () => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
