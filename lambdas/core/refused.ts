/** A refusal on its way to the client. */
import { refuse, type ErrorCode, type Refusal } from "@tacit/protocol";
import { closeReasons, type CloseReason } from "./caller.ts";

export class Refused extends Error {
  override readonly name = "Refused";
  readonly refusal: Refusal;

  constructor(code: ErrorCode, message: string, more: Parameters<typeof refuse>[2] = {}) {
    super(code);
    this.refusal = refuse(code, message, more);
  }

  /** Set where the socket ends with this refusal. */
  get closes(): CloseReason | undefined {
    const { code } = this.refusal;
    return closeReasons.has(code) ? (code as CloseReason) : undefined;
  }
}

/** The same for a stranger and for a conversation that does not exist, so that nobody can tell the two apart. */
export const notAMember = (): Refused => new Refused("not_a_member", "not on the roster, or no such conversation");

export const busy = (): Refused =>
  new Refused("busy", "too much happens at once in this conversation", { retryAfter: 1_000 });
