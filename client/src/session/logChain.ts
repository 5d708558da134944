/**
 * A hash over the log as this device read it: `h' = SHA-256("tacit log 1" 0x00 h kind turn seq SHA-256(payload))`. Members carry their last
 * (seq, h) inside what they send, and compare: a relay that hides, reorders or shows two people different logs is noticed.
 *
 * It starts anew (h empty) at each commit, so that who is added can compute it; the commit's own payload, which carries its
 * sender's last value, ties it to what came before.
 */
import type { Entry } from "@tacit/protocol";
import { concat, uint64, utf8 } from "./bytes.ts";
import { sha256, type CryptoProvider } from "./cryptoContext.ts";

const label = utf8("tacit log 1\0");
const kinds = { message: 1, proposal: 2, commit: 3 } as const satisfies Record<Entry["kind"], number>;

/** `before` is undefined where it is not known: what follows is unknown too, until the next commit. */
export function extendChain(
  provider: CryptoProvider,
  before: Uint8Array | undefined,
  entry: Pick<Entry, "kind" | "turn" | "seq">,
  payloadHash: Uint8Array,
): Uint8Array | undefined {
  const start = entry.kind === "commit" ? new Uint8Array(0) : before;
  if (start === undefined) return undefined;
  return sha256(
    provider,
    concat(label, start, Uint8Array.of(kinds[entry.kind]), uint64(entry.turn), uint64(entry.seq), payloadHash),
  );
}
