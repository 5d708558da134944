/**
 * What attackers hold: a member's or thief's copy of a store, with a socket of its own and a client of the attacker's making; and the key
 * packages that lie with a relay which they run.
 */
import type { Client, Conversation, Store } from "@tacit/client";
import {
  createCommit,
  createGroup,
  decodeKeyPackage,
  decodeKeyPackagePrivate,
  type CreatedCommit,
  type Proposal,
} from "@tacit/mls";
import { decodeBase64Url, encodeBase64Url, type InboxItem } from "@tacit/protocol";
import type { LiveConversation } from "../../../client/src/conversation/liveConversation.ts";
import { sealedStore } from "../../../client/src/sealedStore.ts";
import { authentication } from "../../../client/src/session/group/authenticate.ts";
import { encodeCommitData, type CommitData } from "../../../client/src/session/reading/commitData.ts";
import type { ConversationState } from "../../../client/src/session/conversation.ts";
import type { GroupData } from "../../../client/src/session/group/groupData.ts";
import type { Group } from "../../../client/src/session/group/group.ts";
import { createKeyPackage, type Member } from "../../../client/src/session/group/member.ts";
import { decodeIdentity, type Enrolled } from "../../../client/src/session/identity/identity.ts";
import { dataExtensionOf } from "../../client/support/groupExtension.ts";
import { noise } from "../../client/support/liar.ts";
import { provider, suite } from "../../client/support/primitives.ts";
import { history, type Stage } from "../../client/support/stage.ts";

const crypto = { provider, suite };

export interface Attacker {
  readonly account: string;
  readonly identity: Enrolled;
  readonly member: Member;
  /** What was in the store of each conversation. */
  readonly state: (conversation: Conversation) => ConversationState;
}

/** Copies the store of a client; the client goes on. */
export async function copied(client: Client, store: Store): Promise<Attacker> {
  const opened = await sealedStore(store, store.vault!, (length) => provider.random(length));
  const identity = decodeIdentity((await opened.get("identity"))!) as Enrolled;
  const states = new Map(
    client.conversations().map((conversation) => [conversation.id, (conversation as LiveConversation).snapshot]),
  );
  const signatureKey = identity.signatureKeys.get(suite.id)!;
  return {
    account: client.account,
    identity,
    member: { certificate: identity.enrolment.certificate, signatureKey },
    state: ({ id }) => states.get(id)!,
  };
}

/** A commit that no client of ours would make, in the attacker's own name. */
export function commitBy(
  group: Group,
  data: Partial<CommitData> & { readonly turn: number },
  proposals: readonly Proposal[],
): Promise<CreatedCommit> {
  return createCommit(group, {
    authentication: authentication(crypto),
    proposals: [...proposals],
    references: "none",
    forcePath: true,
    authenticatedData: encodeCommitData({ add: [], remove: [], blobs: [], log: undefined, ...data }),
    welcome: "separate",
    ratchetTreeInWelcome: true,
  });
}

/** A group of the attacker's own, under any name, with whoever has key packages at the relay; and the Welcomes to it, as inbox items. */
export async function ownGroup(
  { relay, clock }: Stage,
  { member }: Attacker,
  made: {
    readonly id: string;
    readonly devices: readonly string[];
    readonly data: Partial<GroupData>;
    readonly epochs?: number;
    readonly seq?: number;
    readonly turn?: number;
  },
): Promise<{ readonly commit: Uint8Array; readonly welcomes: ReadonlyMap<string, InboxItem> }> {
  const { id, devices, data, epochs = 1, seq = 1, turn = 1 } = made;
  const now = clock.now();
  const own = await createKeyPackage(crypto, member, { now, lastResort: false });
  let group = await createGroup({
    suite,
    groupId: new TextEncoder().encode(id),
    keyPackage: decodeKeyPackage(own.bytes),
    privateKeys: decodeKeyPackagePrivate(own.privateKeys),
    extensions: [dataExtensionOf(data)],
    authentication: authentication(crypto),
  });
  for (let epoch = 1; epoch < epochs; epoch++) group = (await commitBy(group, { turn: 0 }, [])).next;
  const taken = devices.map((device) => takeKeyPackage(relay, device));
  const { commit, welcomes } = await commitBy(
    group,
    { turn: turn - 1 },
    taken.map((each) => ({ type: "add", keyPackage: decodeKeyPackage(decodeBase64Url(each.data)) })),
  );
  const items = taken.map(({ hash }, index): readonly [string, InboxItem] => [
    devices[index]!,
    {
      kind: "welcome",
      id: now.toString(16).padStart(12, "0") + encodeBase64Url(noise(16)),
      conversation: id,
      seq,
      turn,
      at: now,
      keyPackage: hash,
      payload: { inline: encodeBase64Url(welcomes[index]!.bytes) },
    },
  ]);
  return { commit, welcomes: new Map(items) };
}

function takeKeyPackage({ tables }: Stage["relay"], device: string): { readonly hash: string; readonly data: string } {
  for (const [key, packages] of tables.keyPackages) {
    if (!key.includes(device)) continue;
    const [first] = packages.values();
    if (first === undefined) continue;
    packages.delete(first.hash);
    return first;
  }
  throw new Error("no key package of that device is left");
}

/** A relay that adds items of its own to an inbox, once each. */
export function slipping({ relay }: Stage, account: string, items: readonly InboxItem[]): void {
  let left = [...items];
  const before = relay.filter;
  relay.filter = (on) => {
    const answer = on.frame as { readonly ok?: { readonly items?: readonly InboxItem[] } };
    if (on.direction === "up" || on.account !== account || answer.ok?.items === undefined || left.length === 0) {
      return before(on);
    }
    const told = { ...answer, ok: { ...answer.ok, items: [...answer.ok.items, ...left] } };
    left = [];
    on.deliver(JSON.stringify(told));
    return false;
  };
  relay.push(account, { push: "inbox" });
}

export async function said({ clock }: Stage, conversation: Conversation, text: string): Promise<void> {
  await clock.until((await clock.until(conversation.send({ text }))).sent);
  await clock.settle();
}

export const textsOf = async (conversation: Conversation): Promise<readonly string[]> =>
  (await history(conversation)).flatMap((item) => (item.kind === "message" ? [item.text] : []));
export const kindsOf = async (conversation: Conversation): Promise<readonly string[]> =>
  (await history(conversation)).map(({ kind }) => kind);

/** Codes of what `client` reports. */
export function failuresOf(client: Client): readonly string[] {
  const codes: string[] = [];
  client.on("failure", ({ code }) => codes.push(code));
  return codes;
}

/** A group that the first client creates with the others, who accept. */
export async function groupOf({ clock }: Stage, clients: readonly Client[]): Promise<readonly Conversation[]> {
  const [first, ...others] = clients as [Client, ...Client[]];
  const created = await clock.until(first.createGroup({ members: others.map(({ account }) => account) }));
  await clock.settle();
  const views = others.map((client) => client.conversations().find(({ id }) => id === created.id)!);
  for (const view of views) await clock.until(view.accept());
  return [created, ...views];
}
