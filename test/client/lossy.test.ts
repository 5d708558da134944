/** Two people who open the same conversation at once, write and rotate keys, over a network that loses whatever a seed says. */
import type { Client, Conversation, TimelineItem } from "@tacit/client";
import { history, stage } from "./support/stage.ts";

/** Mulberry32. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const lines = (items: readonly TimelineItem[]): readonly string[] =>
  items.flatMap((item) => (item.kind === "message" ? [`${item.seq} ${item.from}: ${item.text}`] : []));

async function story(seed: number): Promise<{ readonly lost: number; readonly rotations: number }> {
  const world = stage();
  const { clock, relay } = world;
  const chance = seeded(seed);
  const people = [await world.arrive("alice"), await world.arrive("bob")] as const;
  const failures: unknown[] = [];
  for (const client of people) client.on("failure", (error) => failures.push(error));

  let isLossy = true;
  let lost = 0;
  relay.filter = () => {
    const passes = !isLossy || chance() > 0.12;
    if (!passes) lost++;
    return passes;
  };

  const sent: Record<string, string[]> = { alice: [], bob: [] };
  const open = (client: Client, other: string): Promise<Conversation> =>
    client.conversation({ with: [other] }).catch(() => client.conversation({ with: [other] }));
  const chats = await clock.until(Promise.all([open(people[0], "bob"), open(people[1], "alice")]));
  for (let i = 0; i < 12; i++) {
    const who = chance() < 0.5 ? 0 : 1;
    const { account } = people[who];
    const action = chance();
    if (action < 0.1) relay.cut(account);
    else if (action < 0.25) void chats[who].rotateKeys().catch((error: unknown) => failures.push(error));
    else {
      const text = `${account} ${i}`;
      sent[account]!.push(text);
      await clock.until(chats[who].send({ text }));
    }
    if (chance() < 0.6) await clock.advance(Math.floor(chance() * 3_000));
  }
  await clock.advance(60_000);
  isLossy = false;
  relay.cut();
  await clock.advance(1_200_000);

  const timelines = [await history(chats[0]), await history(chats[1])] as const;
  expect(failures).toEqual([]);
  expect(relay.unexpected).toEqual([]);
  expect(lines(timelines[0])).toEqual(lines(timelines[1]));
  for (const { account } of people) {
    const said = timelines[0].flatMap((item) => (item.kind === "message" && item.from === account ? [item.text] : []));
    expect(said).toEqual(sent[account]);
  }
  const notices = timelines[0].flatMap((item) => (item.kind === "message" ? [] : [item.kind]));
  expect(new Set(notices)).toEqual(new Set(notices.includes("keysChanged") ? ["opened", "keysChanged"] : ["opened"]));
  for (const client of people) await client.close();
  return { lost, rotations: notices.length - 1 };
}

/** More than the usual ones: `TACIT_SEEDS=1000`. */
const seeds = Number(process.env["TACIT_SEEDS"] ?? 25);

describe("over a network that loses frames", () => {
  it("every message arrives once and in order", async () => {
    let lost = 0;
    let rotations = 0;
    for (let seed = 1; seed <= seeds; seed++) {
      try {
        const did = await story(seed);
        lost += did.lost;
        rotations += did.rotations;
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
    // Or the network was not what this test is about.
    expect(lost).toBeGreaterThan(5 * seeds);
    expect(rotations).toBeGreaterThan(seeds / 2);
  }, 3_600_000);
});
