/** Why there is no connection, in the words of the API. */
import type { ErrorCode } from "@tacit/protocol";
import { TacitError } from "../errors.ts";
import { LostAnswer, Refused, type RelaySocket } from "./relaySocket.ts";

/** After these the client stays away. */
export const farewells = {
  superseded: () => new TacitError("superseded", "another client of this device took over"),
  device_revoked: () => new TacitError("device_revoked", "this device was revoked"),
} as const;

/** Refusals that judge the socket and not the request. */
export const endsSocket: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "superseded",
  "device_revoked",
  "out_of_scope",
  "lease_expired",
  "token_expired",
  "clock_skew",
  "proof_replayed",
]);

/** Why a socket is gone. */
export function endOf({ bye }: RelaySocket): Error {
  return bye === "superseded" || bye === "device_revoked" ? farewells[bye]() : new LostAnswer("the connection ended");
}

/** Why an attempt failed. `retryable` says whether there is a next one. */
export function connectionReason(error: unknown): TacitError {
  if (error instanceof TacitError) return error;
  if (error instanceof Refused) {
    const { code, retryable, requestId } = error.refusal;
    if (code === "superseded" || code === "device_revoked") return farewells[code]();
    if (retryable) return new TacitError("connection_lost", `the relay refused for now: ${code}`, { requestId });
    return new TacitError("relay_refused", `the relay refused: ${code}`, { requestId });
  }
  if (error instanceof LostAnswer) return new TacitError("connection_lost", "there is no connection", { cause: error });
  return new TacitError("internal", "connecting failed", { cause: error });
}
