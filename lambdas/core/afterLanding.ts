/** What follows once something has landed: it may fail, and what landed stays landed. */
import type { Operation } from "@tacit/protocol";
import type { Caller, CloseReason } from "./caller.ts";
import type { Relay } from "./relay.ts";

/** Waits for all: a function stands still once it has answered. @returns why the caller's socket has to go, if it has to */
export async function afterLanding(
  { reports }: Relay,
  { requestId }: Caller,
  operation: Operation,
  effects: readonly Promise<CloseReason | undefined>[],
): Promise<CloseReason | undefined> {
  let closes: CloseReason | undefined;
  for (const effect of await Promise.allSettled(effects)) {
    if (effect.status === "fulfilled") closes ??= effect.value;
    else reports.unexpected(effect.reason, { operation, requestId });
  }
  return closes;
}
