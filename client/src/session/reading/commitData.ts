/**
 * A commit's `authenticated_data`: UTF-8 JSON `{ "turn", "add", "remove", "unlisted"?, "suspended"?, "strangers"?, "blobs", "log"? }`. It names the turn that the
 * commit ends, repeats the roster delta that the relay was told, and says how its sender last saw the log. `unlisted` names members whom the
 * relay does not serve after it all the same: they were dropped by a commit that was void, or in their name. `suspended` are those among them
 * that posted such commits; `strangers` are served and not in the group, and could not be taken off yet. In clear text, so nothing in it says
 * who the sender is.
 *
 * The turn binds a commit to its one place: shown again at a later turn, after it was void or its sender gave it up, it is void for
 * everybody. `blobs` has room for hashes of blobs that belong to the commit, and is empty: the hash of a sealed tree is not known before the
 * commit is made, and the relay keeps what the request names. Readers ask for a list, and pass over what is in it.
 */
import { decodeMark, type LogMark } from "../content.ts";
import { isCount, parseJson, utf8 } from "../bytes.ts";

export interface CommitData {
  /** The turn that the commit ends. */
  readonly turn: number;
  /** Accounts, sorted. */
  readonly add: readonly string[];
  readonly remove: readonly string[];
  readonly unlisted?: readonly string[];
  readonly suspended?: readonly string[];
  readonly strangers?: readonly string[];
  /** SHA-256, base64url. */
  readonly blobs: readonly string[];
  readonly log: LogMark | undefined;
}

export function encodeCommitData({ turn, add, remove, blobs, log, ...more }: CommitData): Uint8Array {
  const named = (accounts: readonly string[] = []): readonly string[] | undefined =>
    accounts.length === 0 ? undefined : [...accounts].sort();
  const [unlisted, suspended, strangers] = [named(more.unlisted), named(more.suspended), named(more.strangers)];
  const delta = { add: [...add].sort(), remove: [...remove].sort() };
  return utf8(JSON.stringify({ turn, ...delta, unlisted, suspended, strangers, blobs, log }));
}

/** Undefined where it is not of this form. */
export function decodeCommitData(bytes: Uint8Array): CommitData | undefined {
  const data = parseJson(bytes);
  if (data === undefined) return undefined;
  const { turn, add, remove, unlisted = [], suspended = [], strangers = [], blobs } = data;
  const log = decodeMark(data["log"]);
  if (
    !isCount(turn) ||
    !isTexts(add) ||
    !isTexts(remove) ||
    !isTexts(unlisted) ||
    !isTexts(suspended) ||
    !isTexts(strangers) ||
    !isTexts(blobs) ||
    (data["log"] !== undefined && log === undefined)
  )
    return undefined;
  return { turn, add, remove, unlisted, suspended, strangers, blobs, log };
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

/** The same accounts, each once. */
export function sameSet(a: readonly string[], b: readonly string[]): boolean {
  const [inA, inB] = [new Set(a), new Set(b)];
  return inA.size === a.length && inB.size === b.length && a.length === b.length && a.every((each) => inB.has(each));
}
