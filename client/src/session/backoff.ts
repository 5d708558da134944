/** How long to stay away after a failure: exponential with full jitter, so that ten thousand clients do not come back as one. */

export interface BackoffOptions {
  /** Milliseconds; the first delay is between 0 and this. */
  readonly base: number;
  readonly cap: number;
}

export const reconnectBackoff: BackoffOptions = { base: 500, cap: 45_000 };
export const retryBackoff: BackoffOptions = { base: 200, cap: 20_000 };

/** `attempt` counts failures from 0; `uniform` is in [0, 1). */
export function backoff({ base, cap }: BackoffOptions, attempt: number, uniform: number): number {
  return Math.floor(uniform * Math.min(cap, base * 2 ** Math.min(attempt, 30)));
}

/** In [0, 1), from four random bytes. */
export function uniformOf(random: (length: number) => Uint8Array): number {
  const [a = 0, b = 0, c = 0, d = 0] = random(4);
  return (a * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d) / 2 ** 32;
}
