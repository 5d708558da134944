/**
 * A transport that asks for little at a time: the devices of one process wait for each other here instead of in the relay's queue. What waits
 * for a socket that is gone is never sent, so a relay that shares this machine's processors does not work for nobody.
 */
import type { Transport } from "@tacit/client";

/** How many sockets may be opening, and requests waiting for their answers, at a time. */
export function considerate(inner: Transport, atOnce: number): Transport {
  let free = atOnce;
  const waiting: (() => void)[] = [];
  /** Runs `start` when it is its turn, with what ends it; to be called once or more. `first`: before others, for a proof grows old. */
  function inTurn(start: (done: () => void) => void, first = false): void {
    const run = (): void => {
      free--;
      let isDone = false;
      start(() => {
        if (isDone) return;
        isDone = true;
        free++;
        while (free > 0 && waiting.length > 0) waiting.shift()!();
      });
    };
    if (free > 0) run();
    else if (first) waiting.unshift(run);
    else waiting.push(run);
  }

  return {
    open(url, protocols, events) {
      const unanswered = new Map<string, () => void>();
      let socket: ReturnType<Transport["open"]> | undefined;
      let isClosed = false;
      const close = (): void => {
        isClosed = true;
        for (const done of unanswered.values()) done();
        unanswered.clear();
      };
      inTurn((opened) => {
        if (isClosed) return opened();
        socket = inner.open(url, protocols, {
          opened() {
            opened();
            events.opened();
          },
          message(text) {
            const id = /^\{"id":"(\w+)"/.exec(text)?.[1];
            if (id !== undefined) unanswered.get(id)?.();
            events.message(text);
          },
          closed(code) {
            opened();
            close();
            events.closed(code);
          },
        });
      }, true);
      return {
        send(text) {
          inTurn((done) => {
            const id = /^\{"id":"(\w+)"/.exec(text)?.[1];
            if (isClosed || id === undefined) return done();
            unanswered.set(id, () => {
              unanswered.delete(id);
              done();
            });
            socket?.send(text);
          }, text.includes('"op":"hello"'));
        },
        close() {
          if (socket === undefined && !isClosed) queueMicrotask(() => events.closed(1006));
          close();
          socket?.close();
        },
      };
    },
  };
}
