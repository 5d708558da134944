/** A socket closed: its registration goes, and only its own. */
import type { Connections } from "../ports.ts";
import type { Caller } from "./caller.ts";

export async function forget(
  connections: Connections,
  { account, device, connection, scope }: Pick<Caller, "account" | "device" | "connection" | "scope">,
): Promise<void> {
  if (scope === "full") await connections.unregister(account, device, connection);
}
