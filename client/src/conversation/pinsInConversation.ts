/**
 * Which of a conversation's leaves say anything of an account elsewhere. Whoever may invite into a group chooses its leaves, and a
 * certificate proves itself under the key that it names. So the leaves of a group pin nobody and change no pin: one whose key is not the
 * pinned one blocks sending in that group, until the application accepts it there. A direct conversation is with the account itself, so its leaf
 * is met; not before the application wants the conversation. What the pinned key signed counts wherever it is seen.
 */
import { isDirect } from "@tacit/protocol";
import type { PeerBook } from "../account/peerBook.ts";
import type { LeafIdentity } from "../session/group/authenticate.ts";
import type { ConversationState } from "../session/conversation.ts";
import { identities } from "../session/group/group.ts";
import type { Peer } from "../session/identity/peers.ts";

type Pins = Pick<PeerBook, "get">;

/** Whether the peer book is to meet `leaf`. */
export function isMet(pins: Pins, { log, requestBy }: ConversationState, leaf: LeafIdentity): boolean {
  if (isDirect(log) && requestBy === undefined) return true;
  const peer = pins.get(leaf.account);
  return peer !== undefined && followsPin(peer, leaf);
}

/** Accounts whose leaves here are not of the key that is pinned for them, each once. */
export function contradicted(pins: Pins, state: ConversationState, self: string): readonly string[] {
  const { group, acceptedKeys } = state;
  if (group === undefined) return [];
  const accounts = new Set<string>();
  for (const leaf of identities(group)) {
    const peer = leaf.account === self ? undefined : pins.get(leaf.account);
    if (peer === undefined || followsPin(peer, leaf)) continue;
    const isAccepted = acceptedKeys.some(([account, key]) => account === leaf.account && key === leaf.accountKey);
    if (!isAccepted) accounts.add(leaf.account);
  }
  return [...accounts];
}

/** With the keys of `account` in this conversation accepted; of these, `alone`, where it is given. */
export function withAccepted(state: ConversationState, account: string, alone?: string): ConversationState {
  const { group, acceptedKeys } = state;
  const keys = new Set(
    (group === undefined ? [] : identities(group))
      .filter((leaf) => leaf.account === account && (alone === undefined || leaf.accountKey === alone))
      .map(({ accountKey }) => accountKey),
  );
  if (keys.size === 0) return state;
  const others = acceptedKeys.filter((accepted) => accepted[0] !== account);
  return { ...state, acceptedKeys: [...others, ...[...keys].map((key) => [account, key] as const)] };
}

/** Of the pinned key, of one that it signed the way to, or of one that the account has left: where that is read, the account follows. */
function followsPin({ pinned, former = [] }: Peer, { accountKey, formerKeys }: LeafIdentity): boolean {
  return accountKey === pinned || formerKeys.includes(pinned) || former.includes(accountKey);
}
