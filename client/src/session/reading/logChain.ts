/**
 * A hash over the log as this device read it: `h' = SHA-256("tacit log 2" 0x00 h kind turn seq SHA-256(payload) judged)`. Members carry their
 * last (seq, h) inside what they send, and compare: a relay that hides, reorders or shows two people different logs is noticed.
 *
 * `judged` is empty for a message. For a proposal and a commit it is UTF-8 JSON `[account, add, remove, verdict]`, the lists sorted, empty
 * for a proposal, and one by which the account left the relay's roster is followed by `true`: what the relay says in clear about the entry decides the verdict, so two people who were told different things, or
 * who found differently, differ from here on.
 *
 * It starts anew (h empty) at each commit that was applied, so that who is added by it can compute it: a joiner starts at the commit
 * it joined by, which it counts as applied. The commit's own payload, which carries its sender's last value, ties it to what came
 * before. A void commit lets nobody in, so the chain goes on over it; to a joiner whose Welcome came with a void commit the others'
 * marks do not fit, nor do their keys.
 */
import type { Entry } from "@tacit/protocol";
import { concat, uint64, utf8 } from "../bytes.ts";
import type { LogMark } from "../content.ts";
import type { ConversationState, RecentEntry } from "../conversation.ts";
import { sha256, type CryptoProvider } from "../cryptoContext.ts";

const label = utf8("tacit log 2\0");
const kinds = { message: 1, proposal: 2, commit: 3 } as const satisfies Record<Entry["kind"], number>;

export type Verdict = "applied" | "void";

/** `before` is undefined where it is not known: what follows is unknown too, until the next commit. */
export function extendChain(
  provider: CryptoProvider,
  before: Uint8Array | undefined,
  entry: Entry,
  payloadHash: Uint8Array,
  verdict: Verdict,
): Uint8Array | undefined {
  const startsAnew = entry.kind === "commit" && verdict === "applied";
  const start = startsAnew ? new Uint8Array(0) : before;
  if (start === undefined) return undefined;
  return sha256(
    provider,
    concat(
      label,
      start,
      Uint8Array.of(kinds[entry.kind]),
      uint64(entry.turn),
      uint64(entry.seq),
      payloadHash,
      judged(entry, verdict),
    ),
  );
}

function judged(entry: Entry, verdict: Verdict): Uint8Array {
  if (entry.kind === "message") return new Uint8Array(0);
  const { add, remove } = entry.kind === "commit" ? entry.roster : { add: [], remove: [] };
  const leave = entry.kind === "proposal" && entry.leave === true ? [true] : [];
  return utf8(JSON.stringify([entry.account, [...add].sort(), [...remove].sort(), verdict, ...leave]));
}

/** Whether the sender of `reading` saw another log than this device did, as far as the two can be compared. */
export function logDiffers({ recent }: ConversationState, mark: LogMark | undefined, reading: RecentEntry): boolean {
  const oldest = recent[0];
  if (mark === undefined || oldest === undefined || mark.seq < oldest.seq) return false;
  const known = [...recent, reading].find(({ seq }) => seq >= mark.seq) ?? reading;
  // It names an entry that this device was not shown, unless that is one of those known to be missing.
  if (known.seq !== mark.seq || known === reading) return !known.afterGap;
  return known.chain !== undefined && known.chain !== mark.hash;
}
