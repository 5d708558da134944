/** What browsers offer. */
import { webcryptoProvider } from "@tacit/mls/providers/webcrypto";
import { browserHints } from "../adapters/browserHints.ts";
import { webSocketTransport, type WebSocketConstructor } from "../adapters/webSocket.ts";
import type { DeviceHints, Transport } from "../ports.ts";

export const platformProvider = webcryptoProvider;

export async function platformTransport(): Promise<Transport> {
  return webSocketTransport(WebSocket as unknown as WebSocketConstructor);
}

export function platformHints(): DeviceHints {
  return browserHints();
}
