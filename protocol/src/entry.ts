/** An entry of a conversation's log, as readers get it. */
import * as v from "valibot";
import { accountId, entryId, payload, seq, time, turn } from "./primitives.ts";

const common = {
  seq,
  /** The seq of the entry before, 0 for the first: a reader proves with it that nothing is missing across a jump. */
  prev: seq,
  id: entryId,
  /** For a commit, the turn that it ended: the log has `turn + 1` commits with it. */
  turn,
  at: time,
  /** When the entry may be deleted. */
  expires: time,
  payload,
};

export const entry = v.variant("kind", [
  /** Names no sender: who sent it is inside. */
  v.object({ kind: v.literal("message"), ...common }),
  v.object({
    kind: v.literal("proposal"),
    ...common,
    account: accountId,
    /** The account was off the roster with this entry. */
    leave: v.optional(v.literal(true)),
  }),
  v.object({
    kind: v.literal("commit"),
    ...common,
    account: accountId,
    /** Accounts that entered and left the roster with this commit. */
    roster: v.object({ add: v.array(accountId), remove: v.array(accountId) }),
  }),
]);
export type Entry = v.InferOutput<typeof entry>;
