/** Rings doorbells after something was stored. They have no order and no promise: the log is what counts. */
import { limits, utf8Length, type Entry } from "@tacit/protocol";
import type { BellSlice, BellTarget, Registration, Registrations, StoredEntry } from "../ports.ts";
import type { Caller, CloseReason } from "./caller.ts";
import type { Relay } from "./relay.ts";
import { isNewer, noteRegistered } from "./registration.ts";
import { ringTargets } from "./ringSlice.ts";

/** Connections that an invocation rings itself, and that one slice of the queue holds. */
const direct = 200;
/** Characters of a slice as JSON, below the 128 KiB that one may have. */
const sliceCharacters = 120_000;
/** Milliseconds. Of the messages of one such window the last alone is rung for, where so many listen. */
const coalescing = 1_000;

const none: ReadonlySet<string> = new Set();

export type Occasion = {
  /** Devices with something new in their inbox. */
  readonly welcomed?: ReadonlySet<string>;
  /** The entry that stood before these. */
  readonly before?: StoredEntry | undefined;
};

/**
 * Rings the devices of `accounts` for `entries`, and those of `welcomed` for their inbox. Where many are to be rung, through
 * the queue: whoever sent them does not wait for it.
 *
 * @returns why the caller's own socket has to go, if it has to
 */
export async function ringEntries(
  relay: Relay,
  caller: Caller,
  conversation: string,
  accounts: readonly string[],
  entries: readonly StoredEntry[],
  { welcomed = none, before }: Occasion = {},
): Promise<CloseReason | undefined> {
  const registrations = await relay.connections.of([...new Set([...accounts, caller.account])]);
  const targets = targetsOf(relay, registrations, accounts).map((target) =>
    welcomed.has(target.device) ? { ...target, inbox: true as const } : target,
  );
  const others = othersThan(caller, targets);
  const frame = entriesFrame(conversation, entries);
  const [closes] = await Promise.all([
    judgeOwnSocket(relay, caller, registrations),
    others.length <= direct
      ? ringTargets(relay, others, frame)
      : queue(relay, caller, { conversation, frame, entries, before, targets }),
  ]);
  return closes;
}

/** Rings the other devices of `accounts` with something that was not stored. */
export async function ring(
  relay: Relay,
  caller: Caller,
  registrations: Registrations,
  accounts: readonly string[],
  frame: string,
): Promise<void> {
  await ringTargets(relay, othersThan(caller, targetsOf(relay, registrations, accounts)), frame);
}

function targetsOf({ clock }: Relay, registrations: Registrations, accounts: readonly string[]): readonly BellTarget[] {
  const now = clock.now();
  return [...new Set(accounts)].flatMap((account) =>
    [...(registrations.get(account) ?? [])].flatMap(([device, { connection, lease }]) =>
      now < lease ? { account, device, connection, lease } : [],
    ),
  );
}

const othersThan = ({ connection }: Caller, targets: readonly BellTarget[]): readonly BellTarget[] =>
  targets.filter((target) => target.connection !== connection);

type Announcement = {
  readonly conversation: string;
  readonly frame: string;
  readonly entries: readonly StoredEntry[];
  readonly before: StoredEntry | undefined;
  readonly targets: readonly BellTarget[];
};

/**
 * Messages that follow others closely wait until their window is over, and the worker rings for the last of it. Windows stand
 * still, or a group that never pauses would never be rung. Commits wait for nobody.
 */
async function queue(relay: Relay, caller: Caller, announcement: Announcement): Promise<void> {
  const { conversation, frame, entries, before, targets } = announcement;
  const { seq, at } = entries.at(-1)!;
  const isHurried = before !== undefined && at - before.at < coalescing;
  const waits = isHurried && entries.every(({ kind }) => kind === "message");
  const coalesceUntil = (Math.floor(at / coalescing) + 1) * coalescing;
  const slice = { conversation, seq, at, frame, ...(waits && { coalesceUntil }) };
  // The bell of the entry before may be waiting, and fall silent for this one: so this one is for its own sender too.
  const slices = slicesOf(slice, isHurried ? targets : othersThan(caller, targets));
  await relay.bells.send(slices, waits ? coalescing / 1_000 : 0);
}

function slicesOf(slice: Omit<BellSlice, "targets">, targets: readonly BellTarget[]): readonly BellSlice[] {
  const length = JSON.stringify(slice).length;
  const slices: BellTarget[][] = [];
  let used = Infinity;
  for (const target of targets) {
    const more = JSON.stringify(target).length + 1;
    if ((slices.at(-1)?.length ?? direct) >= direct || used + more > sliceCharacters) {
      slices.push([]);
      used = length + `,"targets":[]`.length;
    }
    slices.at(-1)!.push(target);
    used += more;
  }
  return slices.map((some) => ({ ...slice, targets: some }));
}

/**
 * The caller's registration came with the others. Where another socket of the device took its place, or the device was
 * revoked, this one goes; where it is merely missing, the next `hello` repairs it.
 */
export async function judgeOwnSocket(
  relay: Relay,
  caller: Caller,
  registrations: Registrations,
): Promise<CloseReason | undefined> {
  const own: Registration | undefined = registrations.get(caller.account)?.get(caller.device);
  if (own?.connection === caller.connection) {
    noteRegistered(relay, caller, own);
    return undefined;
  }
  relay.registered?.delete(caller.connection);
  if (own !== undefined && isNewer(own, caller)) return "superseded";
  const account = await relay.directory.get(caller.account);
  return account?.devices.includes(caller.device) === true ? undefined : "device_revoked";
}

function entriesFrame(conversation: string, entries: readonly StoredEntry[]): string {
  const seq = entries.at(-1)!.seq;
  const full = JSON.stringify({ push: "entries", conversation, seq, entries: entries.map(entryOf) });
  return utf8Length(full) <= limits.pushFrame ? full : JSON.stringify({ push: "entries", conversation, seq });
}

/** An entry as readers get it. */
export function entryOf(stored: StoredEntry): Entry {
  const { ttl: _, ...entry } = stored;
  return entry;
}
