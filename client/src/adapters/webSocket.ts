/** Transport over the WebSocket of the platform, or one of the same interface (`ws`). */
import type { Transport } from "../ports.ts";

/** The part of the WHATWG interface that is used here. */
export interface WebSocketLike {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason?: unknown }) => void) | null;
  onerror: ((event: { message?: unknown }) => void) | null;
  send(text: string): void;
  close(code?: number): void;
}
export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

const closedAbnormally = 1006;
const reachableTimeout = 5_000;

export function webSocketTransport(WebSocket: WebSocketConstructor): Transport {
  return {
    reachable,
    open(url, protocols, events) {
      let socket: WebSocketLike;
      let status: number | undefined;
      try {
        socket = new WebSocket(url, [...protocols]);
      } catch {
        // A page's content security policy, for one, forbids it here and now.
        queueMicrotask(() => events.closed(closedAbnormally));
        return { send() {}, close() {} };
      }
      socket.onopen = () => events.opened();
      socket.onmessage = ({ data }) => {
        if (typeof data === "string") events.message(data);
      };
      // `close` follows each `error`, and says no less but for the status.
      socket.onerror = ({ message }) => {
        status = refusedWith(message);
      };
      socket.onclose = ({ code, reason }) => {
        socket.onopen = socket.onmessage = socket.onclose = null;
        events.closed(code, status ?? refusedWith(reason));
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

/**
 * The status of a refused upgrade, from what is written for developers: `ws` says "Unexpected server response: 403", React Native
 * "Expected HTTP 101 response but was '403 Forbidden'" or "Received bad response code from server: 403". Browsers say nothing.
 */
function refusedWith(message: unknown): number | undefined {
  if (typeof message !== "string" || !/response/i.test(message)) return undefined;
  const status = message.match(/\b[1-5]\d\d\b/g)?.find((number) => number !== "101");
  return status === undefined ? undefined : Number(status);
}

/** Any answer will do; that it cannot be read from another origin does not matter. */
async function reachable(url: string): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(reachableTimeout);
    await fetch(url.replace(/^ws/, "http"), { mode: "no-cors", cache: "no-store", credentials: "omit", signal });
    return true;
  } catch {
    return false;
  }
}
