/** What a connection needs from outside. */
import type { SocketSource } from "./openSession.ts";
import type { DeviceHints, Random } from "../ports.ts";
import type { BackoffOptions } from "../session/backoff.ts";

export interface ConnectionOptions extends SocketSource {
  readonly random: Random;
  /** Reads what was missed; again after each registration. */
  readonly catchUp: () => Promise<void>;
  readonly hints?: DeviceHints | undefined;
  /** Milliseconds in the background after which the connection is let go. Default: the platform's, `hints.restAfter`. */
  readonly restAfter?: number | undefined;
  /** Whether something waits to be sent: the background may finish that. */
  readonly isBusy?: () => boolean;
  readonly backoff?: BackoffOptions;
}
