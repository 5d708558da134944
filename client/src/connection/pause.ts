/** A wait that can be cut short. */
import type { Clock } from "../ports.ts";

/** `over` resolves after `milliseconds`, on `hasten`, and when `signal` is aborted. */
export function pause(
  clock: Clock,
  milliseconds: number,
  signal: AbortSignal,
): { readonly over: Promise<void>; readonly hasten: () => void } {
  let hasten = (): void => {};
  const over = new Promise<void>((resolve) => {
    const cancel = clock.after(milliseconds, () => hasten());
    hasten = () => {
      cancel();
      signal.removeEventListener("abort", hasten);
      resolve();
    };
    signal.addEventListener("abort", hasten);
    if (signal.aborted) hasten();
  });
  return { over, hasten: () => hasten() };
}
