/** How long a device waits before it asks to be put in anew: so that nothing which makes it ask again and again keeps others busy. */
import { uniformOf } from "../backoff.ts";

const day = 86_400_000;
/** Milliseconds from one request to the next: the last one repeats. Whoever is asked may be away for a night. */
const pauses = [20_000, 120_000, 600_000, 3_600_000, 21_600_000, day];

/** Milliseconds to wait after so many attempts. */
export function pauseAfter(attempts: number, random: (length: number) => Uint8Array): number {
  return pauseOf(attempts) * (0.75 + 0.5 * uniformOf(random));
}

/** When to ask at the earliest, where that was of use, or was tried, at `times`; all by the relay's clock. */
export function notBefore(times: readonly number[], now: number): number {
  const lately = withinDay(times, now);
  const last = lately.at(-1);
  return last === undefined ? now : Math.max(now, last + pauseOf(lately.length));
}

export function withinDay(times: readonly number[], now: number): readonly number[] {
  return times.filter((time) => time > now - day);
}

function pauseOf(attempts: number): number {
  return pauses[Math.min(attempts, pauses.length - 1)]!;
}
