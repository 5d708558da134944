/** What Node offers. Bundlers for browsers and React Native put their own file in its place: see package.json, `browser`. */
import { nodeProvider } from "@tacit/mls/providers/node";
import { TacitError } from "../errors.ts";
import { webSocketTransport, type WebSocketConstructor } from "../adapters/webSocket.ts";
import type { DeviceHints, Transport } from "../ports.ts";

export const platformProvider = nodeProvider;

/** Node has a WebSocket of its own from version 22 on. */
export async function platformTransport(): Promise<Transport> {
  const own = (globalThis as { readonly WebSocket?: WebSocketConstructor }).WebSocket;
  if (own !== undefined) return webSocketTransport(own);
  try {
    const { WebSocket } = await import("ws");
    return webSocketTransport(WebSocket as unknown as WebSocketConstructor);
  } catch (cause) {
    throw new TacitError("unsupported_platform", 'Node before 22 needs the package "ws", or the option transport', {
      cause,
    });
  }
}

/** Nobody looks at a server, and it is always there. */
export function platformHints(): DeviceHints | undefined {
  return undefined;
}
