/** The states in which conversations are wanted, before anybody has created them. */
import { encodeBase64Url } from "@tacit/protocol";
import type { Client } from "../api.ts";
import { TacitError } from "../errors.ts";
import { newConversation, type ConversationState, type SessionContext } from "../session/conversation.ts";
import { longestTitle, plainData, type Picture } from "../session/group/groupData.ts";
import { newIntent, withIntent } from "../session/intents.ts";

/** Members whom the commit that creates a group adds itself; more are invited after it. */
const membersAtOnce = 25;

type GroupOptions = Parameters<Client["createGroup"]>[0];

/** The other accounts, each once. @throws TacitError `invalid_argument` */
export function invitedTo({ title = "", members }: GroupOptions, self: string): readonly string[] {
  if (title.length > longestTitle) {
    throw new TacitError("invalid_argument", `createGroup: a title has at most ${longestTitle} characters`);
  }
  const others = [...new Set(members)].filter((account) => account !== self);
  for (const account of others) requireAccount("createGroup", account);
  return others;
}

export function wantedGroup(
  context: SessionContext,
  { title = "" }: GroupOptions,
  others: readonly string[],
  picture: Picture | undefined,
): ConversationState {
  const { account: self, provider } = context;
  const id = `g-${encodeBase64Url(provider.random(16))}`;
  const data = { ...plainData, title, picture, owners: [self] };
  if (others.length <= membersAtOnce) return newConversation(id, [self, ...others], data);
  const invitation = { kind: "invite", accounts: others, claimed: [] } as const;
  return withIntent(newConversation(id, [self], data), newIntent(context, invitation));
}

/** @throws TacitError `invalid_argument` */
export function requireAccount(verb: string, account: string): void {
  if (!/^[\x21-\x7e]{1,128}$/.test(account)) throw new TacitError("invalid_argument", `${verb}: no account's name`);
}
