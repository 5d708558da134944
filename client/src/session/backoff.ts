/**
 * How long to stay away after a failure: exponential with full jitter, so that ten thousand clients do not come back as one.
 * The numbers of `reconnectBackoff` were measured: docs/decisions/0028-connection-life.md.
 */

export interface BackoffOptions {
  /** Milliseconds; the first delay is between 0 and this. Default: `base`. */
  readonly first?: number;
  /** Milliseconds; the delay after the first one is between 0 and this, each further one within twice the bound before. */
  readonly base: number;
  readonly cap: number;
}

/** Somebody waits. The first delay is short for whoever is alone; the second is long, because then many may be about. */
export const reconnectBackoff: BackoffOptions = { first: 1_000, base: 20_000, cap: 45_000 };
/** Nobody waits, or nothing changes by itself: nobody looks at the app, there is no network, the deployment refuses. */
export const patientBackoff: BackoffOptions = { base: 60_000, cap: 300_000 };
export const retryBackoff: BackoffOptions = { base: 200, cap: 20_000 };

/** `attempt` counts failures from 0; `uniform` is in [0, 1). */
export function backoff({ first, base, cap }: BackoffOptions, attempt: number, uniform: number): number {
  if (first !== undefined && attempt === 0) return Math.floor(uniform * first);
  const doublings = Math.min(first === undefined ? attempt : attempt - 1, 30);
  return Math.floor(uniform * Math.min(cap, base * 2 ** doublings));
}

/** In [0, 1), from four random bytes. */
export function uniformOf(random: (length: number) => Uint8Array): number {
  const [a = 0, b = 0, c = 0, d = 0] = random(4);
  return (a * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d) / 2 ** 32;
}
