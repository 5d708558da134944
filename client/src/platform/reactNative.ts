/** What React Native offers: a WebSocket, and with react-native-get-random-values randomness. No WebCrypto, no WASM. */
import { nobleProvider } from "@tacit/mls/providers/noble";
import { webSocketTransport, type WebSocketConstructor } from "../adapters/webSocket.ts";
import type { DeviceHints, Transport } from "../ports.ts";

export const platformProvider = nobleProvider;

export async function platformTransport(): Promise<Transport> {
  return webSocketTransport(WebSocket as unknown as WebSocketConstructor);
}

/** Its modules are not reachable from here: pass `hints: reactNativeHints({ AppState, NetInfo })`. */
export function platformHints(): DeviceHints | undefined {
  return undefined;
}
