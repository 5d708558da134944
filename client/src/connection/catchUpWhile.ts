/** Reads what was missed, again until it has been read. */
import { TacitError } from "../errors.ts";
import { pause } from "./pause.ts";
import type { Clock } from "../ports.ts";
import { backoff, retryBackoff } from "../session/backoff.ts";

export interface CatchUpOptions {
  readonly clock: Clock;
  readonly uniform: () => number;
  readonly catchUp: () => Promise<void>;
  /** Cuts its waits short. */
  readonly signal: AbortSignal;
}

/** @returns why it never will be read; undefined where it was, or is not wanted any more */
export async function catchUpWhile(
  isWanted: () => boolean,
  { clock, uniform, catchUp, signal }: CatchUpOptions,
): Promise<TacitError | undefined> {
  for (let attempt = 0; isWanted(); attempt++) {
    try {
      await catchUp();
      return undefined;
    } catch (error) {
      if (error instanceof TacitError && !error.retryable) return error;
      await pause(clock, 100 + backoff(retryBackoff, attempt, uniform()), signal).over;
    }
  }
  return undefined;
}
