/** What an operation that was accepted leads to. */
import type { Answer, Operation } from "@tacit/protocol";
import type { CloseReason } from "./caller.ts";

export type Done<O extends Operation> = {
  readonly answer: Answer<O>;
  /** Set where the socket is closed after the answer. */
  readonly closes?: CloseReason | undefined;
};
