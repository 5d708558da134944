/** What is done with conversations in many scenarios, and what their members see of them. */
import type { Client, Conversation } from "@tacit/client";
import { history, type Stage } from "./stage.ts";

/** One of each for every name. */
type PerName<Names extends readonly string[], Each> = { readonly [Index in keyof Names]: Each };

export interface Group<Names extends readonly string[]> {
  readonly clients: PerName<Names, Client>;
  readonly views: PerName<Names, Conversation>;
}

/** A group that the first of them creates, without a title; everybody else has accepted. */
export async function group<const Names extends readonly string[]>(s: Stage, names: Names): Promise<Group<Names>> {
  const clients: Client[] = [];
  for (const name of names) clients.push(await s.arrive(name));
  const [first, ...others] = clients as [Client, ...Client[]];
  const created = await s.clock.until(first.createGroup({ members: others.map(({ account }) => account) }));
  await s.clock.settle();
  const invited = others.map((client) => client.conversations()[0]!);
  for (const view of invited) await s.clock.until(view.accept());
  return { clients, views: [created, ...invited] } as unknown as Group<Names>;
}

/** Until the relay has it, an hour at most. */
export async function say({ clock }: Stage, conversation: Conversation, text: string): Promise<void> {
  await clock.until((await clock.until(conversation.send({ text }))).sent);
}

/** One after the other; then lets everything happen that needs no time, so that whoever is there has read them. */
export async function said(s: Stage, conversation: Conversation, ...texts: readonly string[]): Promise<void> {
  for (const text of texts) await say(s, conversation, text);
  await s.clock.settle();
}

/** What was said in it, by whomever. */
export async function texts(conversation: Conversation): Promise<readonly string[]> {
  return (await history(conversation)).flatMap((item) => (item.kind === "message" ? [item.text] : []));
}

/** Of all that its timeline holds. */
export async function kinds(conversation: Conversation): Promise<readonly string[]> {
  return (await history(conversation)).map(({ kind }) => kind);
}

/** `undefined`: no member. */
export function roleIn({ info }: Conversation, account: string): string | undefined {
  return info.current.members.find((member) => member.account === account)?.role;
}

/** Deletes from the log what TTL would, the entry `upTo` included. Requests to leave are kept beside it. */
export function expire({ relay }: Stage, log: string, upTo = Infinity): void {
  const entries = relay.tables.log.get(log)!;
  for (const seq of [...entries.keys()]) if (seq <= upTo) entries.delete(seq);
  const leaves = relay.tables.log.get(`${log}/leaves`);
  for (const [seq, entry] of leaves ?? []) if (seq <= upTo) leaves!.set(seq, { ...entry, expires: 0 });
}

/** `client` is offline while `other` commits, and that expires: once it is online again, it cannot follow. */
export async function loseCommit(s: Stage, client: Client, other: Conversation): Promise<void> {
  client.goOffline();
  await s.clock.until(other.rotateKeys());
  expire(s, other.id);
}

/** One after the other. */
export async function closeAll(clients: readonly Client[]): Promise<void> {
  for (const client of clients) await client.close();
}
