/**
 * From what is wanted to what a commit has to do about it. Asked anew on every turn: a commit that lost is redone on the turn that won, and
 * what somebody else has done meanwhile need not be done again.
 */
import { limits } from "@tacit/protocol";
import {
  type Claimed,
  type ConversationState,
  type Intent,
  type IntentBody,
  type SessionContext,
} from "./conversation.ts";
import { randomId } from "./cryptoContext.ts";
import { dataAmong, roleOf, sameData, withRole, type GroupData } from "./group/groupData.ts";
import { accountsIn, leaveProposals, leavesOf, type Leaf } from "./group/group.ts";
import { keyPackageIdentity } from "./group/claimed.ts";
import { mayAdminister, mayRemove } from "./group/memberChange.ts";
import type { Wish } from "./pendingCommit.ts";
import { isBusy } from "./renewal.ts";
import { isReadmitted, mayReadmit } from "./repair/readmissions.ts";

/** Devices that one commit adds: with hybrid key packages it stays below what members read. */
const devicesPerCommit = 250;
/** Characters of account names in one commit: it names them in its frame, beside everything else. */
const namesPerCommit = 12_000;
/** Accounts whose key packages are claimed before what was claimed is stored. */
const accountsPerClaim = 25;

export type Plan =
  | { readonly kind: "commit"; readonly wish: Wish }
  /** Key packages of these accounts are needed first, of the devices named or of all. */
  | { readonly kind: "claim"; readonly accounts: readonly string[]; readonly devices?: readonly string[] }
  /** It is so already. */
  | { readonly kind: "done" }
  /** The group's roles do not allow it. */
  | { readonly kind: "forbidden" }
  /** RFC 9420 lets nobody commit their own removal: a proposal does it. */
  | { readonly kind: "leave" };

export function withIntent(state: ConversationState, intent: Intent): ConversationState {
  return { ...state, intents: [...state.intents, intent] };
}

export function withoutIntent(state: ConversationState, id: string): ConversationState {
  return { ...state, intents: state.intents.filter((intent) => intent.id !== id) };
}

export function newIntent(context: SessionContext, body: IntentBody): Intent {
  return { id: randomId(context.provider), ...body };
}

/** Key packages that were claimed for it; kept until a commit has used them. */
export function withClaimed(state: ConversationState, id: string, claimed: readonly Claimed[]): ConversationState {
  return {
    ...state,
    intents: state.intents.map((intent) =>
      intent.id === id && "claimed" in intent ? { ...intent, claimed: [...intent.claimed, ...claimed] } : intent,
    ),
  };
}

/** Own devices that have no key package out are left for another time, and keep no other from coming in. */
export function withoutUnclaimed(state: ConversationState, id: string): ConversationState {
  return {
    ...state,
    intents: state.intents.map((intent) => {
      if (intent.id !== id || intent.kind !== "devices") return intent;
      return { ...intent, add: intent.add.filter((device) => intent.claimed.some((each) => each.device === device)) };
    }),
  };
}

/** The relay does not know these claims any more. */
export function withoutClaims(state: ConversationState, id: string): ConversationState {
  return {
    ...state,
    intents: state.intents.map((intent) =>
      intent.id === id && "claimed" in intent ? { ...intent, claimed: [] } : intent,
    ),
  };
}

/** Whether something waits that concerns all: a leaver to be taken out, or somebody whom the relay should serve again. */
export function isUntidy(state: ConversationState): boolean {
  if (state.group === undefined || state.phase !== "open") return false;
  const isDisturbed = state.droppedBy !== undefined || state.justDropped.length + state.strangers.length > 0;
  return isDisturbed || leaveProposals(state.group).length > 0;
}

/** Whether the relay takes a commit of `account`, as far as the log shows. */
export function isServed(state: ConversationState, account: string): boolean {
  return !state.unlisted.includes(account) || state.justDropped.includes(account);
}

/**
 * Who is in and not served, and can only be taken back with a Welcome: a void commit dropped them, and another came right after. One
 * device of each is put in anew; the account's others follow the log.
 */
export function toTakeBack(
  state: ConversationState,
  self: string,
  { now, except }: { readonly now: number; readonly except: ReadonlySet<string> },
): { readonly account: string; readonly device: string } | undefined {
  const { group, phase, unlisted, suspended, justDropped, requestBy } = state;
  const isAble = phase === "open" && group !== undefined && requestBy === undefined && !unlisted.includes(self);
  if (!isAble || unlisted.length === 0) return undefined;
  const asked = leaveProposals(group).map(({ account }) => account);
  const passed = new Set([...suspended, ...justDropped, ...asked, ...except]);
  const lost = unlisted.filter((account) => !passed.has(account));
  const found = leavesOf(group).find(
    ({ identity: { account, device } }) =>
      lost.includes(account) &&
      mayReadmit(state, { device, by: self }, now) &&
      !state.intents.some((intent) => intent.kind === "readmit" && intent.account === account),
  );
  return found && { account: found.identity.account, device: found.identity.device };
}

export function planFor(context: SessionContext, state: ConversationState, intent: Intent): Plan {
  const { group, data } = state;
  if (group === undefined) return { kind: "done" };
  const leaves = leavesOf(group);
  const { account: self } = context;
  switch (intent.kind) {
    case "rotate":
      if (intent.unlessBusy && isBusy(state, context.renewals)) return { kind: "done" };
      return commitOf(state, leaves, intent, {});
    case "tidy":
      return isUntidy(state) ? commitOf(state, leaves, intent, {}) : { kind: "done" };
    case "leave":
      return { kind: "leave" };
    case "remove": {
      const targets = leaves.filter(({ identity }) => intent.accounts.includes(identity.account));
      if (targets.length === 0) return { kind: "done" };
      if (!targets.every(({ identity }) => mayRemove(data, self, identity.account))) return { kind: "forbidden" };
      const first = new Set(fitting(accountsIn(targets.map(({ identity }) => identity))));
      return commitOf(state, leaves, intent, {
        removes: targets.filter(({ identity }) => first.has(identity.account)),
      });
    }
    case "describe": {
      const title = intent.title ?? data.title;
      const picture = intent.picture === undefined ? data.picture : (intent.picture ?? undefined);
      const wanted = { ...data, title, picture };
      if (sameData(wanted, data)) return { kind: "done" };
      return mayAdminister(data, self) ? commitOf(state, leaves, intent, { data: wanted }) : { kind: "forbidden" };
    }
    case "role": {
      const isIn = leaves.some(({ identity }) => identity.account === intent.account);
      if (!isIn || roleOf(data, intent.account) === intent.role) return { kind: "done" };
      const wanted = withRole(data, intent.account, intent.role);
      if (roleOf(data, self) !== "owner" || wanted.owners.length === 0) return { kind: "forbidden" };
      return commitOf(state, leaves, intent, { data: wanted });
    }
    case "invite":
      return planInvitation(context, state, leaves, intent);
    case "devices":
      return planDevices(context, state, leaves, intent);
    case "readmit":
      return planReadmission(state, leaves, intent);
  }
}

/** The first of `accounts`, as many as one commit may name. */
export function fitting(accounts: readonly string[]): readonly string[] {
  let used = 0;
  const tooMany = accounts.findIndex((account) => (used += account.length + 3) > namesPerCommit);
  return accounts.slice(0, Math.min(tooMany === -1 ? accounts.length : tooMany, limits.rosterDelta));
}

function planInvitation(
  { account: self }: SessionContext,
  state: ConversationState,
  leaves: readonly Leaf[],
  intent: Extract<Intent, { kind: "invite" }>,
): Plan {
  const members = new Set(leaves.map(({ identity }) => identity.account));
  // Whoever is in and suspended is taken back by inviting them.
  const missing = intent.accounts.filter((account) => !members.has(account) || state.suspended.includes(account));
  if (missing.length === 0) return { kind: "done" };
  if (!mayAdminister(state.data, self)) return { kind: "forbidden" };
  const at = fitting(missing);
  const claimed = intent.claimed.filter(({ account }) => at.includes(account));
  const claimedFor = new Set(claimed.map(({ account }) => account));
  const unclaimed = at.filter((account) => !claimedFor.has(account));
  if (unclaimed.length > 0 && claimed.length < devicesPerCommit) {
    return { kind: "claim", accounts: unclaimed.slice(0, accountsPerClaim) };
  }
  // The devices that are in already are put in anew, the others join.
  const removes = leaves.filter(({ identity }) => claimed.some(({ device }) => device === identity.device));
  const adds = claimed.filter(
    ({ account, device }) => !members.has(account) || removes.some(({ identity }) => identity.device === device),
  );
  return commitOf(state, leaves, intent, { removes, adds });
}

function planDevices(
  { account: self, device: own }: SessionContext,
  state: ConversationState,
  leaves: readonly Leaf[],
  intent: Extract<Intent, { kind: "devices" }>,
): Plan {
  const mine = leaves.filter(({ identity }) => identity.account === self);
  const removes = mine.filter(({ identity }) => identity.device !== own && intent.remove.includes(identity.device));
  const missing = intent.add.filter((device) => !mine.some(({ identity }) => identity.device === device));
  const adds = intent.claimed.filter(({ device }) => missing.includes(device));
  if (removes.length + missing.length === 0) return { kind: "done" };
  if (adds.length < missing.length && removes.length === 0) {
    const unclaimed = missing.filter((device) => !adds.some((each) => each.device === device));
    return { kind: "claim", accounts: [self], devices: unclaimed };
  }
  return commitOf(state, leaves, intent, { removes, adds });
}

function planReadmission(
  state: ConversationState,
  leaves: readonly Leaf[],
  intent: Extract<Intent, { kind: "readmit" }>,
): Plan {
  const ofAccount = leaves.filter(({ identity }) => identity.account === intent.account);
  if (ofAccount.length === 0 || isReadmitted(state, intent.device, intent.since)) return { kind: "done" };
  // It was suspended since: that commit would be void, and whoever made it suspended next.
  if (state.suspended.includes(intent.account)) return { kind: "done" };
  const [claimed] = intent.claimed.filter(({ device }) => device === intent.device);
  if (claimed === undefined) return { kind: "claim", accounts: [intent.account], devices: [intent.device] };
  const same = ofAccount.filter(({ identity }) => identity.device === intent.device);
  const { accountKey } = keyPackageIdentity(claimed.keyPackage);
  // Another device under the same key is for its own account to bring in.
  if (same.length === 0 && ofAccount.some(({ identity }) => identity.accountKey === accountKey))
    return { kind: "done" };
  // A device that is not in yet is of an account that goes on under another key: then all its leaves are replaced.
  const removes = same.length > 0 ? same : ofAccount;
  return commitOf(state, leaves, intent, {
    removes,
    adds: [claimed],
  });
}

function commitOf(
  state: ConversationState,
  leaves: readonly Leaf[],
  intent: Intent,
  changes: {
    readonly removes?: readonly Leaf[];
    readonly adds?: readonly Claimed[];
    readonly data?: GroupData;
  },
): Plan {
  const { removes = [], adds = [] } = changes;
  const gone = new Set(removes.map(({ leafIndex }) => leafIndex));
  const leaving = new Set(state.group === undefined ? [] : leaveProposals(state.group).map(({ account }) => account));
  const after = accountsIn([
    ...leaves
      .filter(({ leafIndex, identity }) => !gone.has(leafIndex) && !leaving.has(identity.account))
      .map(({ identity }) => identity),
    ...adds.filter(({ account }) => !leaving.has(account)),
  ]);
  // Nobody's role outlives their membership, and who comes in has none.
  const were = new Set(leaves.map(({ identity }) => identity.account));
  const base = dataAmong(
    changes.data ?? state.data,
    after.filter((account) => were.has(account)),
  );
  const data = sameData(base, state.data) ? undefined : base;
  return {
    kind: "commit",
    wish: { intent: intent.id, removes: removes.map(({ leafIndex }) => leafIndex), adds, data },
  };
}
