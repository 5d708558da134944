/** What a connection needs from outside. */
import type { Push } from "@tacit/protocol";
import type { Hello } from "./openSession.ts";
import type { Clock, DeviceHints, Random, Transport } from "./ports.ts";
import type { RelaySocket } from "./relaySocket.ts";
import type { BackoffOptions } from "./session/backoff.ts";

export interface ConnectionOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly url: string;
  /** Token and proof for a connection that opens at `now`, the server's time. @throws TacitError */
  readonly protocols: (now: number) => Promise<readonly string[]>;
  /** The socket was registered: says whether it can be used, or must be opened anew. @throws TacitError to stay away */
  readonly welcomed: (hello: Hello, socket: RelaySocket) => Promise<"use" | "again">;
  /** Reads what was missed; again after each registration. */
  readonly catchUp: () => Promise<void>;
  readonly push: (push: Push) => void;
  readonly hints?: DeviceHints | undefined;
  /** Milliseconds in the background after which the connection is let go. Default: the platform's, `hints.restAfter`. */
  readonly restAfter?: number | undefined;
  /** Whether something waits to be sent: the background may finish that. */
  readonly isBusy?: () => boolean;
  readonly backoff?: BackoffOptions;
}
