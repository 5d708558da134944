/**
 * A client that dies at any of its steps and comes back from its store: whatever it had promised happens, once and in order, and no key
 * is used twice.
 */
import { connect, type Client, type Conversation, type TimelineItem } from "@tacit/client";
import { memoryStore, type MemoryStore } from "@tacit/client/memory";
import { doom, type Doom } from "./support/crash.ts";
import { history, stage, suite, type Stage } from "./support/stage.ts";

const texts = (who: string): readonly string[] => [1, 2, 3].map((number) => `${who} ${number}`);

/** Opens the conversation and says what it has not said yet; what waits or stands in the log was said. */
async function speak(client: Client, other: string, who: string): Promise<Conversation> {
  const conversation = await client.conversation({ with: [other] });
  const said = new Set([
    ...conversation.outgoing().map(({ text }) => text),
    ...(await history(conversation)).flatMap((item) => (item.kind === "message" ? [item.text] : [])),
  ]);
  for (const text of texts(who)) if (!said.has(text)) await conversation.send({ text });
  return conversation;
}

async function heard(conversation: Conversation, count: number): Promise<void> {
  let messages = 0;
  for await (const _ of conversation.messages()) if (++messages === count) return;
}

interface Plot {
  readonly victim: "alice" | "bob";
  /** The victim renews its keys too, in each of its lives. */
  readonly rotates: boolean;
}

async function run(
  world: Stage,
  { victim, rotates }: Plot,
  other: string,
  store: MemoryStore,
  fate?: Doom,
): Promise<Client> {
  const { relay, clock } = world;
  const client = await connect({
    url: relay.url,
    token: relay.token(victim),
    store: fate === undefined ? store : fate.store(store),
    transport: fate === undefined ? relay.transport : fate.transport(relay.transport),
    blobs: relay.blobs,
    suite,
    clock: fate === undefined ? clock : fate.clock(clock),
  });
  const conversation = await speak(client, other, victim);
  // A rotation that the first life began and the log has not is taken up by the second, or done anew.
  if (rotates) conversation.rotateKeys().catch(() => {});
  return client;
}

/** The whole story with `victim` dying at step `k`. Says how many steps its first life had. */
async function story(plot: Plot, k: number): Promise<number> {
  const { victim } = plot;
  const world = stage();
  const { clock, relay } = world;
  const survivor = victim === "alice" ? "bob" : "alice";
  const failures: unknown[] = [];
  const other = await world.arrive(survivor);
  other.on("failure", (error) => failures.push(error));

  const store = memoryStore();
  const fate = doom(k, clock);
  const firstLife = run(world, plot, survivor, store, fate);
  firstLife.catch((error: unknown) => failures.push(error));
  const speaking = speakWhenPossible(other, victim, survivor);
  await clock.until(Promise.race([fate.died, firstLife.then(() => world.clock.settle())]));
  if (!fate.isDead) {
    const conversation = (await firstLife).conversations()[0]!;
    await clock.until(Promise.race([fate.died, heard(conversation, 6)]));
  }
  await store.close();

  const secondLife = await clock.until(run(world, plot, survivor, store.reopen()));
  secondLife.on("failure", (error) => failures.push(error));
  const atOther = await clock.until(speaking);
  const conversation = secondLife.conversations()[0]!;
  await clock.until(Promise.all([heard(conversation, 6), heard(atOther, 6)]));
  await clock.advance(120_000);

  const [own, others] = [await history(conversation), await history(atOther)];
  expect(failures).toEqual([]);
  expect(relay.unexpected).toEqual([]);
  expect(notices(own)).toEqual(notices(others));
  expect(new Set(notices(own))).toEqual(new Set(plot.rotates ? ["opened", "keysChanged"] : ["opened"]));
  expect(lines(own)).toEqual(lines(others));
  for (const who of ["alice", "bob"]) {
    expect(lines(own).filter((line) => line.startsWith(who))).toEqual(texts(who).map((text) => `${who}: ${text}`));
  }
  await secondLife.close();
  await other.close();
  return fate.steps;
}

/** The other one speaks too, as soon as the victim can be reached. */
async function speakWhenPossible(client: Client, victim: string, who: string): Promise<Conversation> {
  const invited = new Promise<void>((resolve) => client.on("conversation", () => resolve()));
  await invited;
  return speak(client, victim, who);
}

const lines = (items: readonly TimelineItem[]): readonly string[] =>
  items.flatMap((item) => (item.kind === "message" ? [`${item.from}: ${item.text}`] : []));
const notices = (items: readonly TimelineItem[]): readonly string[] =>
  items.flatMap((item) => (item.kind === "message" ? [] : [item.kind]));

const plots: readonly (readonly [string, Plot, stride: number])[] = [
  ["alice, who opens", { victim: "alice", rotates: false }, 1],
  ["bob, who is invited", { victim: "bob", rotates: false }, 1],
  ["alice, renewing her keys", { victim: "alice", rotates: true }, 5],
  ["bob, renewing his keys", { victim: "bob", rotates: true }, 5],
];

describe.each(plots)("%s, dies at any step", (_name, plot, stride) => {
  it("and nothing is lost, repeated or out of order", async () => {
    const steps = await story(plot, Infinity);
    expect(steps).toBeGreaterThan(60);
    for (let k = 1; k <= steps; k += stride) {
      try {
        await story(plot, k);
      } catch (error) {
        throw new Error(`died at step ${k} of ${steps}`, { cause: error });
      }
    }
  }, 240_000);
});
