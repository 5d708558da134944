/** Finds the place of the next entry for somebody who has considered `turn`. */
import type { Head } from "./head.ts";
import { deadHeadFor, headFor } from "./head.ts";
import type { Place } from "./placeEntry.ts";
import type { Relay } from "./relay.ts";
import { busy, Refused } from "./refused.ts";
import { isMember, type Admits } from "./roster.ts";

export type Wanted = {
  readonly conversation: string;
  readonly account: string;
  readonly turn: number;
  /** Those on the roster, unless it says otherwise. */
  readonly admits?: Admits;
};
export type Placing = { readonly head: Head; readonly place: Exclude<Place, { kind: "dying" }> };

/**
 * @param known a head that is at most as old as this invocation
 * @returns undefined where somebody was faster
 * @throws Refused `not_a_member`, `stale` or `busy`
 */
export async function findPlace(relay: Relay, wanted: Wanted, known?: Head): Promise<Placing | undefined> {
  const { conversation, account, admits = isMember } = wanted;
  const head = known ?? (await headFor(relay, conversation, account, admits));
  requireTurn(head, wanted.turn);
  const place = relay.place(head.conversation, head.entry, relay.clock.now());
  if (place.kind === "dying") throw busy();
  if (place.kind === "put") return { head, place };
  const again = await deadHeadFor(relay, conversation, account, admits);
  if (again === undefined) return undefined;
  requireTurn(again, wanted.turn);
  const revival = relay.place(again.conversation, again.entry, relay.clock.now());
  return revival.kind === "revive" ? { head: again, place: revival } : undefined;
}

/** @throws Refused `stale`: the client considers the commits up to there, then encrypts anew */
export function requireTurn(head: Head, turn: number): void {
  if (head.position.turn !== turn) throw new Refused("stale", "the turn has moved on", { head: head.position });
}
