/** Waiting for what becomes of the connection. */
import type { ConnectionState, Observable } from "../api.ts";
import { TacitError } from "../errors.ts";

/** Resolves when this device has read everything. @throws TacitError `closed`, or why the client closed itself */
export async function untilOnline(connection: Observable<ConnectionState>): Promise<void> {
  const state = await first(connection, ({ status }) => status === "online" || status === "closed").reached;
  if (state.status === "closed") throw state.reason ?? new TacitError("closed", "the client was closed");
}

/** Resolves when no attempt to connect is under way. */
export async function untilTried(connection: Observable<ConnectionState>): Promise<void> {
  await first(connection, ({ status }) => status !== "connecting").reached;
}

/** Waits for `done` as long as there is a connection, or one on its way. */
export async function unlessOffline(connection: Observable<ConnectionState>, done: Promise<void>): Promise<void> {
  const offline = first(connection, ({ status }) => status === "offline" || status === "closed");
  await Promise.race([done, offline.reached]).finally(offline.forget);
}

/** The next state that is meant, the current one included. */
function first(
  connection: Observable<ConnectionState>,
  isMeant: (state: ConnectionState) => boolean,
): { readonly reached: Promise<ConnectionState>; readonly forget: () => void } {
  let forget = (): void => {};
  const reached = new Promise<ConnectionState>((resolve) => {
    const end = connection.subscribe((state) => {
      if (!isMeant(state)) return;
      // It may be told before `subscribe` has come back.
      queueMicrotask(() => end());
      resolve(state);
    });
    forget = end;
  });
  return { reached, forget };
}
