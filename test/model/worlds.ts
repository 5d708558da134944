/** What the model runs: small worlds, each with one thing that could go wrong. */
import { placeEntry } from "../../lambdas/core/placeEntry.ts";
import type { Conversation, StoredEntry } from "../../lambdas/ports.ts";
import type { World } from "./logWorld.ts";

export const second = 1_000;
const day = 86_400 * second;
/** When the entries of the quiet log may be deleted. */
const death = 100 * day;

const entry = (seq: number, kind: "commit" | "message", more: Partial<StoredEntry> = {}): StoredEntry =>
  ({
    kind,
    seq,
    prev: seq - 1,
    id: `old-${seq}`,
    turn: kind === "commit" ? 0 : 1,
    at: 0,
    expires: death - day,
    payload: { inline: "AA" },
    ttl: death / second,
    ...(kind === "commit" ? { account: "ann", roster: { add: ["ann", "bob", "cat"], remove: [] } } : {}),
    ...more,
  }) as StoredEntry;

const conversation: Conversation = {
  turn: 1,
  ceiling: 64,
  roster: ["ann", "bob", "cat"],
  dropped: new Map(),
  lastCommit: { id: "old-1", seq: 1, at: 0, by: "ann" },
  generation: 0,
  predecessor: undefined,
};

export const quiet = {
  entries: [entry(1, "commit"), entry(2, "message")],
  conversation,
  // Surely alive; ten seconds on, dying; about to die; dead. An invocation may live through the short steps.
  clock: [death - 61 * second, death - 52 * second, death - 5 * second, death + 4 * second],
  retention: 90 * day,
  place: placeEntry,
} as const;

const busy = {
  ...quiet,
  entries: [entry(1, "commit", { expires: 200 * day }), entry(2, "message", { expires: 200 * day })],
  clock: [day],
} as const;

export const worlds: Record<string, World> = {
  "two append while the log dies": {
    ...quiet,
    people: { ann: { does: "append", turn: 1 }, bob: { does: "append", turn: 1 } },
  },
  "one appends and one commits while the log dies": {
    ...quiet,
    people: { ann: { does: "append", turn: 1 }, cat: { does: "commit", turn: 1 } },
  },
  "two append and one commits on a dead log": {
    ...quiet,
    entries: quiet.entries.slice(1),
    clock: quiet.clock.slice(3),
    people: {
      ann: { does: "append", turn: 1 },
      bob: { does: "append", turn: 1 },
      cat: { does: "commit", turn: 1 },
    },
  },
  "the table has deleted the commit before what it followed": {
    ...quiet,
    // The commit of seq 3 ended turn 1, and is gone: what is left says less than the conversation.
    conversation: { ...conversation, turn: 2, lastCommit: { id: "old-3", seq: 3, at: 0, by: "ann" } },
    clock: quiet.clock.slice(3),
    people: {
      ann: { does: "append", turn: 2, lands: true },
      cat: { does: "commit", turn: 2 },
    },
  },
  "a dead log is read while somebody revives it": {
    ...quiet,
    clock: quiet.clock.slice(2),
    people: { ann: { does: "append", turn: 1 }, "cat reads": { does: "read", pages: 2, limit: 1 } },
  },
  "two append, one of them in the next turn, and one commits": {
    ...busy,
    people: {
      ann: { does: "append", turn: 1 },
      bob: { does: "append", turn: 2 },
      cat: { does: "commit", turn: 1 },
    },
  },
  "one appends, one commits, one reads page by page": {
    ...busy,
    people: {
      ann: { does: "append", turn: 1 },
      bob: { does: "commit", turn: 1 },
      "cat reads": { does: "read", pages: 2, limit: 2 },
    },
  },
  "an append whose answer is lost, against another and a commit": {
    ...busy,
    people: {
      ann: { does: "append", turn: 1, losesAnswer: true },
      bob: { does: "append", turn: 1 },
      cat: { does: "commit", turn: 1 },
    },
  },
  "the ceiling is reached by two at once": {
    ...busy,
    conversation: { ...conversation, ceiling: 2 },
    people: {
      ann: { does: "append", turn: 1, entries: 2 },
      bob: { does: "append", turn: 1 },
      cat: { does: "commit", turn: 1 },
    },
  },
  "one leaves, or is removed, while another device of the same account writes": {
    ...busy,
    people: {
      "bob leaves": { does: "leave", turn: 1, account: "bob" },
      bob: { does: "append", turn: 1, entries: 2 },
      cat: { does: "commit", turn: 1, remove: ["bob"] },
    },
  },
};
