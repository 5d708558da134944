/** Starting over after somebody else was faster. */
import type { Relay } from "./relay.ts";
import { busy } from "./refused.ts";

const attempts = 8;
/** Milliseconds that the first pause takes at most; it doubles with each. */
const firstPause = 10;

/**
 * Runs `attempt` until it gives something, at most eight times, with growing random pauses: those who collide do not
 * collide in step again.
 *
 * @throws Refused `busy` after the last
 */
export async function untilLanded<T>({ clock, random }: Relay, attempt: () => Promise<T | undefined>): Promise<T> {
  for (let conflicts = 0; conflicts < attempts; conflicts++) {
    if (conflicts > 0) await clock.sleep(random.fraction() * firstPause * 2 ** (conflicts - 1));
    const result = await attempt();
    if (result !== undefined) return result;
  }
  throw busy();
}
