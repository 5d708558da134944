/** `hello`: registers the socket for doorbells; said again, it confirms that and repairs it. */
import { limits } from "@tacit/protocol";
import type { Caller } from "./caller.ts";
import type { Done } from "./done.ts";
import { closeSocket } from "./farewell.ts";
import { seconds } from "./expiry.ts";
import { noteRegistered } from "./registration.ts";
import type { Relay } from "./relay.ts";
import { Refused } from "./refused.ts";

/** Milliseconds that a registration is left lying after its lease. */
const forgottenAfter = 24 * 60 * 60_000;

export function leaseOf({ expires, connectedAt }: Pick<Caller, "expires" | "connectedAt">): number {
  return Math.min(expires, connectedAt + limits.connectionLifetime);
}

export async function hello(relay: Relay, caller: Caller): Promise<Done<"hello">> {
  // A device without a certificate has nothing to be rung for.
  if (caller.scope === "full") await register(relay, caller);
  return {
    answer: {
      account: caller.account,
      device: caller.device,
      scope: caller.scope === "full" ? "full" : "register",
      serverTime: relay.clock.now(),
      leaseUntil: leaseOf(caller),
    },
  };
}

async function register(relay: Relay, caller: Caller): Promise<void> {
  const { account, device, connection, connectedAt } = caller;
  const { connections, clock, directory } = relay;
  const lease = leaseOf(caller);
  const own = (await connections.of([account])).get(account)?.get(device);
  if (own?.connection === connection && own.lease === lease) return noteRegistered(relay, caller, own);

  const ttl = seconds(clock.now() + limits.connectionLifetime + forgottenAfter);
  const outcome = await connections.register(account, device, { connection, connectedAt, lease }, ttl);
  if (!outcome.registered) throw new Refused("superseded", "a newer socket took over");

  // After registering: a revocation writes the Directory, then removes registrations. One of the two sees the other.
  const record = await directory.get(account);
  if (record?.devices.includes(device) !== true) {
    await connections.unregister(account, device, connection);
    throw new Refused("device_revoked", "this device was revoked");
  }
  noteRegistered(relay, caller, own ?? {});
  // What was read before counts too: where the database's client repeated its write, it replaced its own.
  const replaced = new Set([own?.connection, outcome.replaced?.connection]);
  for (const other of replaced) {
    if (other !== undefined && other !== connection) await closeSocket(relay, other, "superseded");
  }
}
