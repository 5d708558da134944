/** Closing a socket: API Gateway lets no backend choose a close code, so the reason is said in a frame before. */
import type { CloseReason } from "./caller.ts";
import type { Relay } from "./relay.ts";

export async function closeSocket({ sockets }: Relay, connection: string, code: CloseReason): Promise<void> {
  await sockets.post(connection, JSON.stringify({ push: "bye", code }));
  await sockets.close(connection);
}
