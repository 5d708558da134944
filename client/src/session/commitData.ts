/**
 * A commit's `authenticated_data`: UTF-8 JSON `{ "turn", "add", "remove", "unlisted"?, "blobs", "log"? }`. It names the turn that the
 * commit ends, repeats the roster delta that the relay was told, names the blobs that belong to the commit, and says how its sender last saw
 * the log. `unlisted` names members whom the relay does not serve after it all the same: they were dropped by a commit that was void, or
 * in their name. In clear text, so nothing in it says who the sender is.
 *
 * The turn binds a commit to its one place: shown again at a later turn, after it was void or its sender gave it up, it is void for
 * everybody. `blobs` is for the relay, which keeps what it names; readers pass over it.
 */
import { decodeMark, type LogMark } from "./content.ts";
import { isCount, parseJson, utf8 } from "./bytes.ts";

export interface CommitData {
  /** The turn that the commit ends. */
  readonly turn: number;
  /** Accounts, sorted. */
  readonly add: readonly string[];
  readonly remove: readonly string[];
  readonly unlisted?: readonly string[];
  /** SHA-256, base64url. */
  readonly blobs: readonly string[];
  readonly log: LogMark | undefined;
}

export function encodeCommitData({ turn, add, remove, unlisted = [], blobs, log }: CommitData): Uint8Array {
  const absent = unlisted.length === 0 ? {} : { unlisted: [...unlisted].sort() };
  return utf8(JSON.stringify({ turn, add: [...add].sort(), remove: [...remove].sort(), ...absent, blobs, log }));
}

/** Undefined where it is not of this form. */
export function decodeCommitData(bytes: Uint8Array): CommitData | undefined {
  const data = parseJson(bytes);
  if (data === undefined) return undefined;
  const { turn, add, remove, unlisted = [], blobs } = data;
  const log = decodeMark(data["log"]);
  if (
    !isCount(turn) ||
    !isTexts(add) ||
    !isTexts(remove) ||
    !isTexts(unlisted) ||
    !isTexts(blobs) ||
    (data["log"] !== undefined && log === undefined)
  )
    return undefined;
  return { turn, add, remove, unlisted, blobs, log };
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

export function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && new Set([...a, ...b]).size === new Set(a).size && new Set(a).size === a.length;
}
