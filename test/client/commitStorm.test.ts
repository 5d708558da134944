/** All devices of a group commit at the same moment, over a network that takes its time. */
import type { Client, Conversation } from "@tacit/client";
import type { LiveConversation } from "../../client/src/conversation/liveConversation.ts";
import { seededRandom } from "../support/memoryPorts.ts";
import { slowTransport } from "./support/latency.ts";
import { history, stage } from "./support/stage.ts";

const devices = Number(process.env["TACIT_STORM_DEVICES"] ?? 12);
const snapshotOf = (conversation: Conversation) => (conversation as LiveConversation).snapshot;

it("a storm of commits ends with everybody's in one log, and all in one epoch", async () => {
  const s = stage();
  const random = seededRandom("storm");
  const latency = { shortest: 30, longest: 60, random: () => random.fraction() };
  const transport = slowTransport(s.relay.transport, s.clock, latency);
  const clients: Client[] = [];
  for (let i = 0; i < devices; i++) clients.push(await s.arrive(`device-${String(i).padStart(3, "0")}`, { transport }));
  const [lead, ...others] = clients as [Client, ...Client[]];
  const created = await s.clock.until(lead.createGroup({ members: others.map(({ account }) => account) }));
  await s.clock.advance(60_000);
  const views = [created, ...others.map((client) => client.conversations()[0]!)];
  for (const view of views) await s.clock.until(view.accept());
  const epochBefore = snapshotOf(created).group!.epoch.groupContext.epoch;

  let [attempts, reads] = [0, 0];
  s.relay.filter = ({ direction, frame }) => {
    if (direction === "up" && frame.op === "commit") attempts++;
    if (direction === "up" && frame.op === "read") reads++;
    return true;
  };
  const since = s.clock.now();
  const rotations = views.map((view) => view.rotateKeys());
  for (const [index, view] of views.entries()) if (index % 4 === 0) void view.send({ text: `said ${index}` });
  await s.clock.until(Promise.all(rotations), 24 * 3_600_000);
  if (process.env["TACIT_STORM_DEVICES"]) console.log({ devices, ms: s.clock.now() - since, attempts, reads });
  await s.clock.advance(60_000);

  const states = views.map(snapshotOf);
  expect(states.map(({ phase, intents, outbox }) => [phase, intents.length, outbox.length])).toEqual(
    views.map(() => ["open", 0, 0]),
  );
  const epochs = new Set(states.map(({ group }) => group!.epoch.groupContext.epoch));
  expect([...epochs]).toEqual([epochBefore + BigInt(devices)]);
  expect(new Set(states.map(({ group }) => String(group!.epoch.secrets.epochAuthenticator))).size).toBe(1);
  const said = views.flatMap((_, index) => (index % 4 === 0 ? [`said ${index}`] : []));
  for (const view of views) {
    const items = await history(view);
    const kinds = new Set(items.map(({ kind }) => kind));
    expect([...kinds].filter((kind) => !["opened", "membersChanged", "message", "keysChanged"].includes(kind))).toEqual(
      [],
    );
    const texts = items.flatMap((item) => (item.kind === "message" ? [item.text] : []));
    expect([...texts].sort()).toEqual([...said].sort());
  }
  expect(s.relay.unexpected).toEqual([]);
  for (const client of clients) await client.close();
}, 600_000);
