/** How long a socket may be used, and when its successor is opened. Times are the server's. */

export interface Lease {
  readonly until: number;
  readonly renewAt: number;
}

/** Renewal falls into the last quarter of a lease, and not into its last twentieth. */
const earliest = 1 / 4;
const latest = 1 / 20;
/** Two leases that end within this ended with the same token: milliseconds. */
const same = 1_000;
/** What is left when a token that came from a cache is asked for once more: most caches have let go of it by then. */
const lastCall = 60_000;

/**
 * Leases that all began in one second are renewed over a fifth of their length (24 minutes of two hours), so that those who came
 * back as one do not renew as one. A `before` with the same end says that the token came from a cache: it is asked for again
 * shortly before its end, then at it.
 */
export function planLease(
  { leaseUntil: until, serverTime }: { readonly leaseUntil: number; readonly serverTime: number },
  before: Lease | undefined,
  uniform: number,
): Lease {
  const left = Math.max(0, until - serverTime);
  if (before === undefined || Math.abs(until - before.until) > same) {
    return { until, renewAt: until - left * (latest + (earliest - latest) * uniform) };
  }
  if (left > 1.5 * lastCall) return { until, renewAt: until - lastCall * (1 - 0.5 * uniform) };
  return { until, renewAt: until };
}
