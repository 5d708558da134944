/**
 * A commit's `authenticated_data`: UTF-8 JSON `{ "turn", "add", "remove", "blobs", "log"? }`. It names the turn that the commit ends, repeats
 * the roster delta that the relay was told, names the blobs that belong to the commit, and says how its sender last saw the log. In
 * clear text, so nothing in it says who that is.
 *
 * The turn binds a commit to its one place: shown again at a later turn, after it was void or its sender gave it up, it is void for
 * everybody. `blobs` is for the relay, which keeps what it names; this version's commits name none, and readers pass over it.
 */
import { decodeMark, type LogMark } from "./content.ts";
import { isCount, parseJson, utf8 } from "./bytes.ts";

export interface CommitData {
  /** The turn that the commit ends. */
  readonly turn: number;
  /** Accounts, sorted. */
  readonly add: readonly string[];
  readonly remove: readonly string[];
  /** SHA-256, base64url. */
  readonly blobs: readonly string[];
  readonly log: LogMark | undefined;
}

export function encodeCommitData({ turn, add, remove, blobs, log }: CommitData): Uint8Array {
  return utf8(JSON.stringify({ turn, add: [...add].sort(), remove: [...remove].sort(), blobs, log }));
}

/** Undefined where it is not of this form. */
export function decodeCommitData(bytes: Uint8Array): CommitData | undefined {
  const data = parseJson(bytes);
  if (data === undefined) return undefined;
  const { turn, add, remove, blobs } = data;
  const log = decodeMark(data["log"]);
  if (
    !isCount(turn) ||
    !isTexts(add) ||
    !isTexts(remove) ||
    !isTexts(blobs) ||
    (data["log"] !== undefined && log === undefined)
  )
    return undefined;
  return { turn, add, remove, blobs, log };
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

export function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && new Set([...a, ...b]).size === new Set(a).size && new Set(a).size === a.length;
}
