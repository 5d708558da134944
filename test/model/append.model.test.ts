/**
 * Append, commit, leave, expiry and reading in every order. No interleaving may lose, reorder or reuse a seq, or admit
 * a stale turn; a reader sees what landed once and in order, and is told where something is missing.
 */
import { placeEntry } from "../../lambdas/core/placeEntry.ts";
import type { Relay } from "../../lambdas/core/relay.ts";
import type { Conversation } from "../../lambdas/ports.ts";
import { explore, type Run } from "./explore.ts";
import { runWorld, type World } from "./logWorld.ts";
import { quiet, second, worlds } from "./worlds.ts";

// Up to 25 seconds where nothing else runs; the time is no part of what is shown.
jest.setTimeout(900_000);

test.each(Object.entries(worlds))("%s", async (title, world) => {
  const { states, steps, interleavings } = await explore(() => runWorld(world));
  console.log(`${title}: ${interleavings} interleavings, ${states} states, ${steps} steps`);
  expect(interleavings).toBeGreaterThan(1_000n);
});

describe("finds a planted fault", () => {
  /** An earlier draft: the next seq is one above whatever is there, and the table deletes what it likes. */
  const draft: World["place"] = (_conversation, head) => {
    const prev = head?.seq ?? 0;
    return { kind: "put", seq: prev + 1, prev, ceiling: undefined };
  };
  /** Without the margin, a put can arrive after the head has died that it stands on. */
  const hasty: World["place"] = (current, head, now) => {
    if (head !== undefined && now < head.ttl * second) {
      return { kind: "put", seq: head.seq + 1, prev: head.seq, ceiling: undefined };
    }
    return placeEntry(current, head, now);
  };
  /** A dead head's seq as `prev` looks right, but a newer one may have been deleted before it. */
  const trusting: World["place"] = (current, head, now) => {
    const place = placeEntry(current, head, now);
    return place.kind === "revive" ? { ...place, prev: head?.seq ?? 0 } : place;
  };

  /** The roster is read before the newest entry, so a change between the two is in nobody's way. */
  const rosterFirst = (relay: Relay): Relay => {
    let read: Conversation | undefined;
    const newest = async (name: string) => {
      read = await relay.conversations.get(name);
      return relay.log.newest(name);
    };
    const get = async (name: string) => read ?? relay.conversations.get(name);
    return { ...relay, log: { ...relay.log, newest }, conversations: { ...relay.conversations, get } };
  };

  test("a roster that is read too early", async () => {
    const world = worlds["one leaves, or is removed, while another device of the same account writes"]!;
    const run = (): Run => runWorld({ ...world, distort: rosterFirst });
    await expect(explore(run)).rejects.toThrow(/lands though its account had left/);
  });

  const people: World["people"] = { ann: { does: "append", turn: 1 }, bob: { does: "append", turn: 1 } };

  test.each([
    ["expiry lets a seq be used twice", draft, /a seq is used twice/],
    ["a put that arrives late", hasty, /a seq is used twice|out of order|claims a gap/],
    ["a jump that hides what expired", trusting, /hides an entry/],
  ])("%s", async (_title, place, message) => {
    await expect(explore(() => runWorld({ ...quiet, people, place }))).rejects.toThrow(message);
  });
});
