/** Mallory, who is a member of Alice's group, follows no rules, and has a client of her own making. */
import type { Client, Conversation, Transport } from "@tacit/client";
import { encodeBase64Url } from "@tacit/protocol";
import { noise } from "./liar.ts";
import type { Stage } from "./stage.ts";
import { publishKeyPackage, stranger, type Stranger } from "./stranger.ts";

const minute = 60_000;

/** Alice's group with the others, and Mallory, who is a member with a client of her own making. */
export async function groupWithMallory(s: Stage, names: readonly string[], networkOf?: (name: string) => Transport) {
  const clients: Client[] = [];
  for (const name of names) clients.push(await s.arrive(name, networkOf && { transport: networkOf(name) }));
  const mallory = await stranger(s, "mallory");
  await publishKeyPackage(s, mallory);
  const members = [...names.slice(1), "mallory"];
  const created = await s.clock.until(clients[0]!.createGroup({ members }));
  if (networkOf !== undefined) await s.clock.advance(minute);
  await s.clock.settle();
  const views = [created, ...clients.slice(1).map((client) => client.conversations()[0]!)];
  for (const view of views) await s.clock.until(view.accept());
  return { clients, views, mallory };
}

export interface Delta {
  readonly add?: readonly string[];
  readonly remove?: readonly string[];
  readonly welcomes?: readonly object[];
}

export function garbageFor(conversation: string, turn: number, { add = [], remove = [], welcomes = [] }: Delta = {}) {
  return {
    conversation,
    entry: encodeBase64Url(noise(16)),
    turn,
    after: 1_000,
    payload: { inline: encodeBase64Url(noise()) },
    welcomes: welcomes as never,
    blobs: [],
    add: [...add],
    remove: [...remove],
  };
}

/** The answer's code, or "taken". */
export function posted({ socket }: Stranger, commit: ReturnType<typeof garbageFor>): Promise<string> {
  return socket.request("commit", commit).then(
    () => "taken",
    (error: { readonly refusal: { readonly code: string } }) => error.refusal.code,
  );
}

/** At the turn that is. */
export function garbage(
  { relay, clock }: Stage,
  mallory: Stranger,
  { id }: Conversation,
  delta: Delta,
): Promise<string> {
  const { turn } = relay.tables.conversations.get(id)!;
  return clock.until(posted(mallory, garbageFor(id, turn, delta)));
}

/** Asks to leave, in bytes that are no such request to anybody but the relay. */
export async function leaveInGarbage(
  { relay, clock }: Stage,
  { socket }: Stranger,
  { id }: Conversation,
): Promise<number> {
  const { turn } = relay.tables.conversations.get(id)!;
  const request = {
    conversation: id,
    turn,
    entry: encodeBase64Url(noise(16)),
    payload: { inline: encodeBase64Url(noise()) },
  };
  const { seq } = await clock.until(socket.request("propose", { ...request, leave: true }));
  return seq;
}
