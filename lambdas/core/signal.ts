/** `signal`: rings, and stores nothing. */
import { limits, type Request } from "@tacit/protocol";
import type { Caller } from "./caller.ts";
import type { Done } from "./done.ts";
import { judgeOwnSocket, ring } from "./fanOut.ts";
import { countMessages, requireUnblocked } from "./messageRate.ts";
import type { Relay } from "./relay.ts";
import { notAMember, Refused } from "./refused.ts";

export async function signal(
  relay: Relay,
  caller: Caller,
  { conversation: name, payload }: Request<"signal">,
): Promise<Done<"signal">> {
  requireUnblocked(relay, caller);
  const conversation = await relay.conversations.get(name);
  if (conversation === undefined || !conversation.roster.includes(caller.account)) throw notAMember();
  const { roster } = conversation;
  if (roster.length > limits.signalAccounts) {
    throw new Refused("limit_exceeded", `no signals above ${limits.signalAccounts} accounts`);
  }
  const registrations = await relay.connections.of(roster);
  const own = registrations.get(caller.account)?.get(caller.device);
  const closes = await judgeOwnSocket(relay, caller, registrations);
  if (closes !== undefined) throw new Refused(closes, "this socket is not the device's any more");
  if (own?.connection !== caller.connection) throw new Refused("not_registered", "say hello first");
  const frame = JSON.stringify({ push: "signal", conversation: name, payload });
  await Promise.all([ring(relay, caller, registrations, roster, frame), countMessages(relay, caller, 1)]);
  return { answer: {} };
}
