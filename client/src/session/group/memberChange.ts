/**
 * What a commit does to a group, and whether it may. A function of the group before, the group after, who committed and the conversation's
 * id, all of which every member has alike: pins, records and clocks of one device have no part in it.
 *
 *   invite                      admins, owners
 *   remove a member             admins, owners; an admin or owner: owners alone; whoever asked to leave: anybody
 *   title, picture              admins, owners
 *   roles                       owners
 *   own devices                 each account its own
 *   others' devices             nobody, except to put the same device in anew (it lost its state), or to put an account in anew that proves by
 *                               its former key that it goes on under another one; in a direct conversation also without proof
 *
 * In a direct conversation the two stay the two.
 */
import { isDirect } from "@tacit/protocol";
import type { LeafIdentity } from "./authenticate.ts";
import { dataAmong, roleOf, sameData, type GroupData, type Role } from "./groupData.ts";
import { accountsIn } from "./group.ts";

export interface MemberChange extends DataChange {
  /** Accounts, sorted. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Of those, who had asked for it. */
  readonly left: readonly string[];
  /** Accounts that were in before and are after, with other devices than before. */
  readonly devicesChanged: readonly string[];
}

export interface DataChange {
  readonly titleChanged: boolean;
  readonly pictureChanged: boolean;
  readonly rolesChanged: readonly { readonly account: string; readonly role: Role }[];
}

export interface GroupSide {
  readonly leaves: readonly LeafIdentity[];
  readonly data: GroupData;
}

export interface ChangeInput {
  readonly conversation: string;
  /** Undefined for the commit that creates the group. */
  readonly before: GroupSide | undefined;
  readonly after: GroupSide;
  /** Account of the committer. */
  readonly by: string;
  /** Accounts whose own proposal to leave the commit covers. */
  readonly leaving: readonly string[];
}

/** Undefined where it breaks a rule. */
export function memberChange(input: ChangeInput): MemberChange | undefined {
  const { conversation, before, after, by, leaving } = input;
  if (!haveOneKeyEach(after.leaves)) return undefined;
  const accountsAfter = accountsIn(after.leaves);
  if (before === undefined) return { ...unchanged, added: accountsAfter };
  const accountsBefore = accountsIn(before.leaves);
  const [wereIn, areIn] = [new Set(accountsBefore), new Set(accountsAfter)];
  const added = accountsAfter.filter((account) => !wereIn.has(account));
  const removed = accountsBefore.filter((account) => !areIn.has(account));
  const left = removed.filter((account) => leaving.includes(account));
  const may = (role: Role): boolean => rank[roleOf(before.data, by)] >= rank[role];
  if (isDirect(conversation)) {
    if (added.length + removed.length > 0) return undefined;
  } else {
    if (added.length > 0 && !may("admin")) return undefined;
    const expelled = removed.filter((account) => !left.includes(account));
    if (!expelled.every((account) => mayRemove(before.data, by, account))) return undefined;
  }
  const devicesChanged = judgeDevices(input, before, areIn);
  if (devicesChanged === undefined) return undefined;

  const expected = dataAmong(
    before.data,
    accountsAfter.filter((account) => wereIn.has(account)),
  );
  const changed = dataChange(expected, after.data, accountsAfter);
  const described = !sameLooks(after.data, expected);
  const isSound =
    after.data.generation === before.data.generation &&
    after.data.predecessor === before.data.predecessor &&
    sameData(after.data, dataAmong(after.data, accountsAfter)) &&
    after.data.owners.every((account) => !after.data.admins.includes(account)) &&
    (isDirect(conversation)
      ? !described && after.data.owners.length + after.data.admins.length === 0
      : after.data.owners.length > 0);
  if (!isSound || (described && !may("admin")) || (changed.rolesChanged.length > 0 && !may("owner"))) return undefined;
  return { added, removed, left, devicesChanged, ...changed };
}

/** What is other than `expected`, among these accounts. */
export function dataChange(expected: GroupData, after: GroupData, accounts: readonly string[]): DataChange {
  return {
    titleChanged: after.title !== expected.title,
    pictureChanged: after.picture?.hash !== expected.picture?.hash,
    rolesChanged: accounts.flatMap((account) => {
      const role = roleOf(after, account);
      return role === roleOf(expected, account) ? [] : [{ account, role }];
    }),
  };
}

const unchanged: MemberChange = {
  added: [],
  removed: [],
  left: [],
  devicesChanged: [],
  titleChanged: false,
  pictureChanged: false,
  rolesChanged: [],
};

const rank: Readonly<Record<Role, number>> = { member: 0, admin: 1, owner: 2 };

/** Whether `by` may remove `account` that did not ask for it. */
export function mayRemove(data: GroupData, by: string, account: string): boolean {
  const own = rank[roleOf(data, by)];
  return by !== account && (own === rank.owner || (own === rank.admin && roleOf(data, account) === "member"));
}

/** Whether `by` may invite, and change title and picture. */
export function mayAdminister(data: GroupData, by: string): boolean {
  return rank[roleOf(data, by)] >= rank.admin;
}

export function sameLooks(a: GroupData, b: GroupData): boolean {
  const [one, other] = [a.picture, b.picture];
  return a.title === b.title && one?.hash === other?.hash && one?.size === other?.size && one?.key === other?.key;
}

/** Whether nobody of `accounts` is more in `a` than in `b`. */
export function givesNoMore(a: GroupData, b: GroupData, accounts: readonly string[]): boolean {
  return accounts.every((account) => rank[roleOf(a, account)] <= rank[roleOf(b, account)]);
}

/** Accounts that stayed with other devices than before; undefined where somebody changed another's. */
function judgeDevices(
  { conversation, after, by }: ChangeInput,
  before: GroupSide,
  areIn: ReadonlySet<string>,
): readonly string[] | undefined {
  const devicesBefore = byAccount(before.leaves);
  const devicesAfter = byAccount(after.leaves);
  const changed: string[] = [];
  for (const [account, old] of devicesBefore) {
    const now = devicesAfter.get(account);
    if (!areIn.has(account) || now === undefined) continue;
    if (old.accountKey !== now.accountKey) {
      const isProven = now.formerKeys.includes(old.accountKey);
      if (!isProven && !(isDirect(conversation) && account !== by)) return undefined;
      changed.push(account);
    } else if (old.devices !== now.devices) {
      if (account !== by) return undefined;
      changed.push(account);
    }
  }
  return changed.sort();
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

interface Side {
  readonly accountKey: string;
  /** Of any of its leaves: their order is not the same for all members. */
  readonly formerKeys: readonly string[];
  /** Ids, sorted and joined. */
  readonly devices: string;
}

function byAccount(leaves: readonly LeafIdentity[]): ReadonlyMap<string, Side> {
  const grouped = new Map<string, LeafIdentity[]>();
  for (const leaf of leaves) {
    const known = grouped.get(leaf.account);
    if (known === undefined) grouped.set(leaf.account, [leaf]);
    else known.push(leaf);
  }
  return new Map(
    [...grouped].map(([account, own]) => {
      const devices = own
        .map(({ device }) => device)
        .sort()
        .join(" ");
      return [
        account,
        { accountKey: own[0]!.accountKey, formerKeys: own.flatMap(({ formerKeys }) => formerKeys), devices },
      ];
    }),
  );
}
