/** What React Native offers: a WebSocket, and with react-native-get-random-values randomness. No WebCrypto, no WASM. */
import { nobleProvider } from "@tacit/mls/providers/noble";
import { webSocketTransport, type WebSocketConstructor } from "../adapters/webSocket.ts";
import type { Transport } from "../ports.ts";

export const platformProvider = nobleProvider;

export async function platformTransport(): Promise<Transport> {
  return webSocketTransport(WebSocket as unknown as WebSocketConstructor);
}
