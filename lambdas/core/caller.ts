/** Who sent a frame, as the authorizer found when the socket connected, and through which socket. */
import type { ErrorCode } from "@tacit/protocol";

/** `full`: a certified device. `register`: it may only enter an account. `none`: it is told `reason`, and closed. */
export type Scope = "full" | "register" | "none";

export type Caller = {
  readonly account: string;
  readonly device: string;
  readonly scope: Scope;
  /** With scope `none`. */
  readonly reason: CloseReason | undefined;
  /** End of the lease by the token, milliseconds. */
  readonly expires: number;
  readonly connection: string;
  readonly connectedAt: number;
  /** Of this invocation: what a user quotes to the operator. */
  readonly requestId: string;
};

/** Why the relay closes a socket. */
export type CloseReason = Extract<
  ErrorCode,
  "superseded" | "device_revoked" | "lease_expired" | "token_expired" | "clock_skew" | "proof_replayed"
>;

export const closeReasons: ReadonlySet<string> = new Set<CloseReason>([
  "superseded",
  "device_revoked",
  "lease_expired",
  "token_expired",
  "clock_skew",
  "proof_replayed",
]);
