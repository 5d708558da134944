/** The token bucket by which a stage throttles. */
export interface TokenBucket {
  take(): boolean;
}

export function createTokenBucket(
  { burst, rate }: { readonly burst: number; readonly rate: number },
  now: () => number,
): TokenBucket {
  let tokens = burst;
  let filledAt = now();
  return {
    take() {
      const time = now();
      tokens = Math.min(burst, tokens + ((time - filledAt) / 1000) * rate);
      filledAt = time;
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
  };
}
