/** Transport over the WebSocket of the platform, or one of the same interface (`ws`). */
import type { Transport } from "../ports.ts";

/** The part of the WHATWG interface that is used here. */
export interface WebSocketLike {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
  onerror: ((event: never) => void) | null;
  send(text: string): void;
  close(code?: number): void;
}
export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

export function webSocketTransport(WebSocket: WebSocketConstructor): Transport {
  return {
    open(url, protocols, events) {
      const socket = new WebSocket(url, [...protocols]);
      socket.onopen = () => events.opened();
      socket.onmessage = ({ data }) => {
        if (typeof data === "string") events.message(data);
      };
      // `close` follows each `error`, and says no less.
      socket.onerror = () => {};
      socket.onclose = ({ code }) => {
        socket.onopen = socket.onmessage = socket.onclose = null;
        events.closed(code);
      };
      return {
        send(text) {
          try {
            socket.send(text);
          } catch {
            socket.close();
          }
        },
        close: () => socket.close(),
      };
    },
  };
}
