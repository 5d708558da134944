/**
 * The relay in the hands of an attacker: whoever runs it writes its tables as they like, and shows each account what they like. What is
 * written here stays true for the honest rules behind it, so that a test can say what remains when the lying ends.
 */
import { encodeBase64Url, type Entry, type InboxItem } from "@tacit/protocol";
import { createHash } from "node:crypto";
import type { StoredEntry } from "../../../lambdas/ports.ts";
import type { FrameOnItsWay } from "./inProcessRelay.ts";
import type { Stage } from "./stage.ts";

type Forged =
  | { readonly kind: "message"; readonly payload?: Uint8Array }
  | { readonly kind: "proposal"; readonly account: string; readonly leave?: true; readonly payload?: Uint8Array }
  | {
      readonly kind: "commit";
      readonly account: string;
      readonly add?: readonly string[];
      readonly remove?: readonly string[];
      readonly payload?: Uint8Array;
    };

let forgeries = 0;

/** Bytes that nobody made for anything. */
export function noise(length = 100): Uint8Array {
  return new Uint8Array(createHash("shake256", { outputLength: length }).update(String(++forgeries)).digest());
}

/** An entry that nobody posted, at the end of the log, with what it would do to the roster; rung to all. */
export function forge({ relay, clock }: Stage, log: string, forged: Forged): StoredEntry {
  const { tables } = relay;
  const entries = tables.log.get(log)!;
  const last = [...entries.values()].sort((a, b) => a.seq - b.seq).at(-1)!;
  const conversation = tables.conversations.get(log)!;
  const { turn } = conversation;
  const common = {
    seq: last.seq + 1,
    prev: last.seq,
    id: encodeBase64Url(noise(16)),
    turn,
    at: clock.now(),
    expires: last.expires,
    ttl: last.ttl,
    payload: { inline: encodeBase64Url(forged.payload ?? noise()) },
  };
  let entry: StoredEntry;
  let { roster } = conversation;
  const dropped = new Map(conversation.dropped);
  if (forged.kind === "commit") {
    const [add, remove] = [[...(forged.add ?? [])], [...(forged.remove ?? [])]];
    entry = { ...common, kind: "commit", account: forged.account, roster: { add, remove } };
    roster = [...roster.filter((account) => !remove.includes(account)), ...add];
    for (const account of add) dropped.delete(account);
    for (const account of remove) dropped.set(account, { seq: entry.seq, turn: turn + 1 });
  } else if (forged.kind === "proposal") {
    const { account, leave } = forged;
    entry = { ...common, kind: "proposal", account, ...(leave === undefined ? {} : { leave }) };
    if (leave === true) {
      roster = roster.filter((each) => each !== account);
      dropped.set(account, { seq: entry.seq, turn, left: true });
    }
  } else {
    entry = { ...common, kind: "message" };
  }
  entries.set(entry.seq, entry);
  const isCommit = entry.kind === "commit";
  tables.conversations.set(log, {
    ...conversation,
    turn: isCommit ? turn + 1 : turn,
    ceiling: Math.max(conversation.ceiling, entry.seq),
    roster,
    dropped,
    lastCommit: isCommit
      ? { id: entry.id, seq: entry.seq, at: entry.at, by: (entry as { account: string }).account }
      : conversation.lastCommit,
  });
  for (const account of new Set([...conversation.roster, ...roster])) {
    relay.push(account, { push: "entries", conversation: log, seq: entry.seq });
  }
  return entry;
}

interface Shown {
  ok?: { entries?: Entry[]; items?: InboxItem[]; head?: { seq: number; turn: number } };
  entries?: Entry[];
}

/** Shows `account` (or everybody) the entries that `lie` leaves of those that it is about to see. */
export function showing(
  lie: (entries: readonly Entry[]) => readonly Entry[],
  account?: string,
): (frame: FrameOnItsWay) => boolean {
  return (on) => {
    if (on.direction === "up" || (account !== undefined && on.account !== account)) return true;
    const copy = structuredClone(on.frame) as Shown;
    const told = copy.ok?.entries ?? copy.entries;
    if (told === undefined) return true;
    const lied = [...lie(told)];
    if (copy.ok?.entries !== undefined) {
      copy.ok.entries = lied;
      // A head above what is shown would tell that something is missing.
      if (copy.ok.head !== undefined && told.at(-1)?.seq !== lied.at(-1)?.seq) copy.ok.head.seq = lied.at(-1)?.seq ?? 0;
    } else copy.entries = lied;
    on.deliver(JSON.stringify(copy));
    return false;
  };
}

/** Hides entries from `account`, as if they had never been: what comes after is made to follow what came before. */
export function hiding(isHidden: (entry: Entry) => boolean, account: string): (frame: FrameOnItsWay) => boolean {
  return showing((entries) => {
    const hidden = new Map<number, number>();
    const shown: Entry[] = [];
    for (const entry of entries) {
      const prev = hidden.get(entry.prev) ?? entry.prev;
      if (isHidden(entry)) hidden.set(entry.seq, prev);
      else shown.push({ ...entry, prev });
    }
    return shown;
  }, account);
}

/** Changes the inbox items that `account` is about to read. */
export function inboxLying(
  lie: (items: readonly InboxItem[]) => readonly InboxItem[],
  account: string,
): (frame: FrameOnItsWay) => boolean {
  return (on) => {
    if (on.direction === "up" || on.account !== account) return true;
    const copy = structuredClone(on.frame) as Shown;
    if (copy.ok?.items === undefined) return true;
    copy.ok.items = [...lie(copy.ok.items)];
    on.deliver(JSON.stringify(copy));
    return false;
  };
}
