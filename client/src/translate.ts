/** What the relay's refusals, and answers that did not come, mean to an application. */
import { TacitError } from "./errors.ts";
import { LostAnswer, Refused } from "./connection/relaySocket.ts";

export function identityChanged(): TacitError {
  return new TacitError("identity_changed", "an account's key is not the pinned one: see acceptIdentity");
}

export function translate(error: unknown): TacitError {
  if (error instanceof TacitError) return error;
  if (error instanceof LostAnswer) return new TacitError("connection_lost", "the connection ended", { cause: error });
  if (!(error instanceof Refused)) return new TacitError("internal", "a step failed", { cause: error });
  const { code, retryable, requestId } = error.refusal;
  switch (code) {
    case "unknown_account":
      return new TacitError("unknown_account", "there is no such account", { requestId });
    case "not_a_member":
      return new TacitError("not_a_member", "not a member of this conversation", { requestId });
    case "rate_limited":
    case "busy":
      return new TacitError("rate_limited", "the relay asks to wait", { requestId });
    case "limit_exceeded":
    case "frame_too_large":
      return new TacitError("too_large", "the relay's limits do not allow it", { requestId });
    default:
      return retryable
        ? new TacitError("connection_lost", `the relay refused for now: ${code}`, { requestId })
        : new TacitError("relay_refused", `the relay refused: ${code}`, { requestId });
  }
}
