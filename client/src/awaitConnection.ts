/** Waiting for what becomes of the connection. */
import type { ConnectionState, Observable } from "./api.ts";
import { TacitError } from "./errors.ts";

/** Resolves when this device has read everything. @throws TacitError `closed`, or why the client closed itself */
export async function untilOnline(connection: Observable<ConnectionState>): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const end = connection.subscribe((state) => {
      if (state.status !== "online" && state.status !== "closed") return;
      queueMicrotask(() => end());
      if (state.status === "online") resolve();
      else reject(state.reason ?? new TacitError("closed", "the client was closed"));
    });
  });
}

/** Waits for `done` as long as there is a connection, or one on its way. */
export async function unlessOffline(connection: Observable<ConnectionState>, done: Promise<void>): Promise<void> {
  let end = (): void => {};
  const offline = new Promise<void>((resolve) => {
    end = connection.subscribe(({ status }) => {
      if (status === "offline" || status === "closed") resolve();
    });
  });
  await Promise.race([done, offline]).finally(end);
}
