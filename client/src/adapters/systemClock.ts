/** The platform's clock and timers. */
import type { Clock } from "../ports.ts";

/** Longer delays overflow setTimeout, which then fires at once. */
const longest = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  after(milliseconds, run) {
    const timer: unknown = setTimeout(run, Math.min(Math.max(0, milliseconds), longest));
    if (typeof timer === "object") (timer as { unref?: () => void }).unref?.();
    return () => clearTimeout(timer as ReturnType<typeof setTimeout>);
  },
};
