/** A network between client and relay: every frame takes its time, and none overtakes another on the same socket. */
import type { Clock, Transport } from "@tacit/client";

export interface LatencyOptions {
  /** Milliseconds that a frame takes. */
  readonly shortest: number;
  readonly longest: number;
  /** In [0, 1). */
  readonly random: () => number;
}

export function slowTransport(
  inner: Transport,
  clock: Clock,
  { shortest, longest, random }: LatencyOptions,
): Transport {
  /** Runs what it is given in order, each later than it was given. */
  function line(): (run: () => void) => void {
    let last = 0;
    return (run) => {
      last = Math.max(last, clock.now() + shortest + random() * (longest - shortest));
      clock.after(last - clock.now(), run);
    };
  }

  return {
    open(url, protocols, events) {
      const [up, down] = [line(), line()];
      const socket = inner.open(url, protocols, {
        opened: () => down(() => events.opened()),
        message: (text) => down(() => events.message(text)),
        closed: (code) => down(() => events.closed(code)),
      });
      return { send: (text) => up(() => socket.send(text)), close: () => socket.close() };
    },
  };
}
