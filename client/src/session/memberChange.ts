/**
 * What a commit does to who is in, and whether it may. A function of the group before, the group after and the conversation's id, all of
 * which every member has alike: pins, records and clocks of one device have no part in it.
 */
import { isDirect } from "@tacit/protocol";
import type { LeafIdentity } from "./authenticate.ts";
import { accountsIn } from "./groupEngine.ts";

export interface MemberChange {
  /** Accounts, sorted. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Accounts that were in before and are after, with other devices than before. */
  readonly devicesChanged: readonly string[];
}

/** Undefined where it breaks a rule. `before` is empty for the commit that creates the group. */
export function memberChange(
  conversation: string,
  before: readonly LeafIdentity[],
  after: readonly LeafIdentity[],
): MemberChange | undefined {
  if (!haveOneKeyEach(after)) return undefined;
  const [accountsBefore, accountsAfter] = [accountsIn(before), accountsIn(after)];
  const added = accountsAfter.filter((account) => !accountsBefore.includes(account));
  // A direct conversation is of the two accounts that its id names.
  if (isDirect(conversation) && before.length > 0 && added.length > 0) return undefined;
  const removed = accountsBefore.filter((account) => !accountsAfter.includes(account));
  const stayed = accountsAfter.filter((account) => accountsBefore.includes(account));
  const devicesChanged = stayed.filter((account) => devicesOf(before, account) !== devicesOf(after, account));
  return { added, removed, devicesChanged };
}

/**
 * A certificate proves itself under the account key that it names, so anybody can make one that says "bob"; a leaf that names another key
 * than Bob's other leaves is not Bob's. An account that changed its key replaces all its leaves in one commit.
 */
export function haveOneKeyEach(leaves: readonly LeafIdentity[]): boolean {
  const keys = new Map<string, string>();
  return leaves.every(({ account, accountKey }) => {
    const known = keys.get(account) ?? accountKey;
    keys.set(account, known);
    return known === accountKey;
  });
}

function devicesOf(leaves: readonly LeafIdentity[], account: string): string {
  const devices = leaves.filter((leaf) => leaf.account === account).map(({ device }) => device);
  return devices.sort().join(" ");
}
