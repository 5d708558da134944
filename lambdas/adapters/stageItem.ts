/**
 * A stage, in the Inbox table: the partition `stage#<conversation>#<entry>#<account>`, so that nobody reaches another's.
 *
 *     head              x   1 where it was abandoned
 *                       q, t, a   seq of its commit, turn after it, when it landed, ms: once it is in force
 *     devices#<hash>    d   devices on whose places Welcomes lie, of one call
 *     ttl               of each
 */
import type { LandingWrite, StageName } from "../ports.ts";
import { number, type Item } from "./attributes.ts";
import { inboxKey } from "./inboxItem.ts";

export const stagePartition = ({ conversation, entry, by }: StageName): string =>
  `stage#${conversation}#${entry}#${by}`;

export const headId = "head";
export const headKey = (stage: StageName): Item => inboxKey(stagePartition(stage), headId);
export const devicesKey = (stage: StageName, hash: string): Item => inboxKey(stagePartition(stage), `devices#${hash}`);

export function inForceAttributes({ entry, next }: LandingWrite, ttl: number): Item {
  return { q: number(entry.seq), t: number(next.turn), a: number(entry.at), ttl: number(ttl) };
}

export const isInForce = (head: Item | undefined): head is Item => head?.["q"] !== undefined;
export const isVoid = (head: Item | undefined): boolean => head?.["x"] !== undefined;
