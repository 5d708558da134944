/**
 * How often a device is put in anew. Each account does that three times a day for one device: so a loop ends, and a member who does it
 * without need spends nobody's times but its own.
 */
import type { ConversationState } from "../conversation.ts";

export interface Readmission {
  readonly device: string;
  readonly at: number;
  /** The account that did it, as its signature proves. */
  readonly by: string;
}

const day = 86_400_000;
const perDay = 3;

/** Whether the account `by` may put `device` in anew. */
export function mayReadmit(
  { readmissions }: Pick<ConversationState, "readmissions">,
  { device, by }: Pick<Readmission, "device" | "by">,
  now: number,
): boolean {
  return readmissions.filter((each) => isLike(each, { device, by }) && each.at > now - day).length < perDay;
}

/** Whether `device` was put in anew at `since` or later. Who does that more often than anybody should does it to no use. */
export function isReadmitted(
  { readmissions }: Pick<ConversationState, "readmissions">,
  device: string,
  since: number,
): boolean {
  return readmissions.some((each, index) => {
    if (each.device !== device || each.at < since) return false;
    const before = readmissions.slice(0, index).filter((other) => isLike(other, each) && other.at > each.at - day);
    return before.length < perDay;
  });
}

function isLike(a: Pick<Readmission, "device" | "by">, b: Pick<Readmission, "device" | "by">): boolean {
  return a.device === b.device && a.by === b.by;
}
