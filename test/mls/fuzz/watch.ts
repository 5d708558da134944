/** Runs something on hostile input and judges how it ended: by itself, in time, with a typed error at most. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { MlsError } from "@tacit/mls";

/** Far above what an input of a few kilobytes needs, and far below what one would call a hang. */
const slowest = 2000;

export class Watch {
  refused = 0;
  accepted = 0;
  readonly codes = new Map<string, number>();

  /** The result, or undefined when the input was refused. @throws when the refusal is not a typed one, or comes too late */
  async run<T>(attempt: () => T | Promise<T>): Promise<T | undefined> {
    const start = performance.now();
    const result = await this.#judge(attempt);
    const took = performance.now() - start;
    if (took > slowest) throw new Error(`an input took ${took.toFixed(0)} ms`);
    return result;
  }

  async #judge<T>(attempt: () => T | Promise<T>): Promise<T | undefined> {
    try {
      const result = await attempt();
      this.accepted++;
      return result;
    } catch (error) {
      if (!(error instanceof MlsError)) throw new Error("an untyped error", { cause: error });
      this.codes.set(error.code, (this.codes.get(error.code) ?? 0) + 1);
      this.refused++;
      return undefined;
    }
  }
}

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Bytes that are really in use. */
export function memoryInUse(): number {
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
