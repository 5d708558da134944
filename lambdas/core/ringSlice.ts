/**
 * Rings the sockets of one slice. In a busy group a slice waits for a second, and then only the last entry of each second
 * is rung for: whoever is rung reads, and so has the others.
 */
import type { BellSlice, BellTarget } from "../ports.ts";
import type { Relay } from "./relay.ts";

/** Posts at a time. */
const atOnce = 50;

const inboxFrame = JSON.stringify({ push: "inbox" });

/** Never throws: a bell has no promise, and one that was rung need not be rung again. */
export async function ringSlice(
  relay: Pick<Relay, "sockets" | "connections" | "log" | "clock" | "reports">,
  slice: BellSlice,
): Promise<void> {
  if (await isOvertaken(relay, slice)) return;
  await ringTargets(relay, slice.targets, slice.frame);
}

/** Rings those whose lease still runs: with `frame`, and those who have a Welcome for their inbox alone, which leads them to the entry. */
export async function ringTargets(
  relay: Pick<Relay, "sockets" | "connections" | "clock" | "reports">,
  targets: readonly BellTarget[],
  frame: string,
): Promise<void> {
  const now = relay.clock.now();
  const live = targets.filter(({ lease }) => now < lease);
  for (let from = 0; from < live.length; from += atOnce) {
    await Promise.all(live.slice(from, from + atOnce).map((target) => ringTarget(relay, target, frame)));
  }
}

/** Whether the next entry came so soon that its own bell says it all. */
async function isOvertaken(
  { log, reports }: Pick<Relay, "log" | "reports">,
  { conversation, seq, coalesceUntil }: BellSlice,
): Promise<boolean> {
  if (coalesceUntil === undefined) return false;
  try {
    const { entries } = await log.page(conversation, seq, 1);
    return entries.some(({ at }) => at < coalesceUntil);
  } catch (error) {
    // Once too often is better than never.
    reports.unexpected(error, { operation: "ringSlice" });
    return false;
  }
}

/** One that fails is in nobody else's way. */
async function ringTarget(
  { sockets, connections, reports }: Pick<Relay, "sockets" | "connections" | "reports">,
  { account, device, connection, inbox }: BellTarget,
  frame: string,
): Promise<void> {
  try {
    if ((await sockets.post(connection, inbox ? inboxFrame : frame)) !== "gone") return;
    await connections.unregister(account, device, connection);
  } catch (error) {
    reports.unexpected(error, { operation: "ring" });
  }
}
