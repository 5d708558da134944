/**
 * A commit's `authenticated_data`: UTF-8 JSON `{ "add", "remove", "blobs", "log"? }`. It repeats the roster delta that the relay was told,
 * names the blobs that belong to the commit, and says how its sender last saw the log. In clear text, so nothing in it says who that is.
 */
import { decodeMark, type LogMark } from "./content.ts";
import { parseJson, utf8 } from "./bytes.ts";

export interface CommitData {
  /** Accounts, sorted. */
  readonly add: readonly string[];
  readonly remove: readonly string[];
  /** SHA-256, base64url. */
  readonly blobs: readonly string[];
  readonly log: LogMark | undefined;
}

export function encodeCommitData({ add, remove, blobs, log }: CommitData): Uint8Array {
  return utf8(JSON.stringify({ add: [...add].sort(), remove: [...remove].sort(), blobs, log }));
}

/** Undefined where it is not of this form. */
export function decodeCommitData(bytes: Uint8Array): CommitData | undefined {
  const data = parseJson(bytes);
  if (data === undefined) return undefined;
  const { add, remove, blobs } = data;
  const log = decodeMark(data["log"]);
  if (!isTexts(add) || !isTexts(remove) || !isTexts(blobs) || (data["log"] !== undefined && log === undefined))
    return undefined;
  return { add, remove, blobs, log };
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

export function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && new Set([...a, ...b]).size === new Set(a).size && new Set(a).size === a.length;
}
