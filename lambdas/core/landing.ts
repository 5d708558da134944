/** What operations that land entries share. */
import type { Answer } from "@tacit/protocol";
import type { StoredEntry } from "../ports.ts";
import { Refused } from "./refused.ts";

export function landedAt({ id, seq, turn, at }: Pick<StoredEntry, "id" | "seq" | "turn" | "at">): Answer<"commit"> {
  return { id, seq, turn, at };
}

/** @throws Refused `malformed` where one id stands twice: retries could not be told from it */
export function requireDistinct(ids: readonly string[]): void {
  if (new Set(ids).size < ids.length) throw new Refused("malformed", "the same id twice");
}
