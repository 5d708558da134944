/** Rings doorbells after something was stored. They have no order and no promise: the log is what counts. */
import { limits, utf8Length, type Entry } from "@tacit/protocol";
import type { Registration, Registrations, StoredEntry } from "../ports.ts";
import type { Caller, CloseReason } from "./caller.ts";
import type { Relay } from "./relay.ts";
import { isNewer, noteRegistered } from "./registration.ts";

/** Posts at a time. */
const slice = 50;

type Bell = { readonly account: string; readonly device: string; readonly connection: string; readonly frame: string };

/**
 * Rings the devices of `accounts` for `entries`, and those of `welcomed` for their inbox.
 *
 * @returns why the caller's own socket has to go, if it has to
 */
export async function ringEntries(
  relay: Relay,
  caller: Caller,
  conversation: string,
  accounts: readonly string[],
  entries: readonly StoredEntry[],
  welcomed: ReadonlySet<string> = new Set(),
): Promise<CloseReason | undefined> {
  const registrations = await relay.connections.of([...new Set([...accounts, caller.account])]);
  const frame = entriesFrame(conversation, entries);
  const inboxFrame = JSON.stringify({ push: "inbox" });
  const [closes] = await Promise.all([
    judgeOwnSocket(relay, caller, registrations),
    ring(relay, caller, registrations, accounts, (device) => (welcomed.has(device) ? [inboxFrame, frame] : [frame])),
  ]);
  return closes;
}

/** Rings the other devices of `accounts`. */
export async function ring(
  relay: Relay,
  caller: Caller,
  registrations: Registrations,
  accounts: readonly string[],
  framesFor: (device: string) => readonly string[],
): Promise<void> {
  const now = relay.clock.now();
  const bells: Bell[] = [];
  for (const account of new Set(accounts)) {
    for (const [device, { connection, lease }] of registrations.get(account) ?? []) {
      if (connection === caller.connection || now >= lease) continue;
      for (const frame of framesFor(device)) bells.push({ account, device, connection, frame });
    }
  }
  for (let from = 0; from < bells.length; from += slice) {
    await Promise.all(bells.slice(from, from + slice).map((bell) => post(relay, bell)));
  }
}

/** A doorbell that fails never fails what it announces. */
async function post(relay: Relay, { account, device, connection, frame }: Bell): Promise<void> {
  if ((await relay.sockets.post(connection, frame)) === "gone") {
    await relay.connections.unregister(account, device, connection);
  }
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
