/** One live socket per device, and the newer wins: in the order in which they connected, not in which they said hello. */
import type { Registration } from "../ports.ts";
import type { Caller } from "./caller.ts";
import { rememberBlocked } from "./messageRate.ts";
import type { Relay } from "./relay.ts";
import { Refused } from "./refused.ts";

/** Sockets that one instance remembers; it forgets the oldest. */
const remembered = 10_000;

type Socket = Pick<Registration, "connection" | "connectedAt">;

/** Whether `a` is a newer socket than `b`. Two that connected in one millisecond are told apart by their names. */
export function isNewer(a: Socket, b: Socket): boolean {
  return a.connectedAt > b.connectedAt || (a.connectedAt === b.connectedAt && a.connection > b.connection);
}

/**
 * Only a registered socket may ask for anything: who takes a device away, or its place, takes the registration away
 * first, so a socket that was never registered, and so never closed, gets nowhere.
 */
export async function requireRegistered(relay: Relay, caller: Caller): Promise<void> {
  const own = (await relay.connections.of([caller.account])).get(caller.account)?.get(caller.device);
  if (own?.connection === caller.connection) return noteRegistered(relay, caller, own);
  if (own !== undefined && isNewer(own, caller)) throw new Refused("superseded", "a newer socket took over");
  throw new Refused("not_registered", "say hello first");
}

/**
 * The same for `append`, which meets its registration after the fact: one read for each instance and socket. So a socket
 * that was never registered appends nothing, and one that no longer is, once an instance at most.
 */
export async function requireOnceRegistered(relay: Relay, caller: Caller): Promise<void> {
  if (relay.registered?.has(caller.connection) !== true) await requireRegistered(relay, caller);
}

/** A socket without a certificate is closed by nobody: its device may have entered the account meanwhile, and left it. */
export async function requireUnrevoked({ directory }: Relay, { account, device }: Caller): Promise<void> {
  const record = await directory.get(account);
  if (record?.revoked.includes(device)) throw new Refused("device_revoked", "this device was revoked");
}

/** What one instance learns from a registration, whenever it reads one. */
export function noteRegistered(
  { registered, ...relay }: Pick<Relay, "registered" | "blocked" | "clock">,
  { connection, device }: Caller,
  { blockedUntil }: Pick<Registration, "blockedUntil">,
): void {
  rememberBlocked(relay, device, blockedUntil);
  if (registered === undefined) return;
  registered.add(connection);
  const [oldest] = registered;
  if (registered.size > remembered && oldest !== undefined) registered.delete(oldest);
}
