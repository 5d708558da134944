/** Devices and a log without any shell: for the steps of session/ by themselves. */
import { cipherSuites, getCipherSuite } from "@tacit/mls";
import { nodeProvider } from "@tacit/mls/providers/node";
import { encodeBase64Url, type Entry } from "@tacit/protocol";
import type { ReadEntry } from "../../../client/src/session/reading/applied.ts";
import { applyEntry } from "../../../client/src/session/reading/applyEntry.ts";
import {
  directConversationId,
  merged,
  newConversation,
  type ConversationState,
  type SessionContext,
  type Step,
} from "../../../client/src/session/conversation.ts";
import { commitChange, type Committed } from "../../../client/src/session/group/groupCommit.ts";
import type { Group } from "../../../client/src/session/group/group.ts";
import { plainData } from "../../../client/src/session/group/groupData.ts";
import { createIdentity, enrol } from "../../../client/src/session/identity/identity.ts";
import { makeKeyPackage, type StockedKeyPackage } from "../../../client/src/session/group/keyPackages.ts";
import { openInvitation, type Invitation } from "../../../client/src/session/joining/invitation.ts";
import { acceptInvitation, type JoinOutcome } from "../../../client/src/session/joining/joining.ts";
import { changePending, createPending } from "../../../client/src/session/pendingCommit.ts";
import { markOf } from "../../../client/src/session/identity/recordMark.ts";
import { enqueue, nextBatch, sealBatch } from "../../../client/src/session/outbox.ts";

export const provider = nodeProvider();
export const suite = getCipherSuite(cipherSuites.MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519, provider);
export const now = 1_800_000_000_000;

export async function device(account: string): Promise<SessionContext> {
  const identity = await enrol(provider, await createIdentity({ provider, suite }), account, now);
  const signatureKey = identity.signatureKeys.get(suite.id)!;
  const member = { certificate: identity.enrolment.certificate, signatureKey };
  return {
    provider,
    suite,
    account,
    device: identity.device,
    member,
    record: markOf(provider, 1, identity.enrolment.record),
  };
}

export function keyPackageOf(context: SessionContext): Promise<StockedKeyPackage> {
  return makeKeyPackage(context, context.member, { now, lastResort: false });
}

/** A log that lets everything in. */
export class TestLog {
  readonly entries: ReadEntry[] = [];
  turn = 0;

  message(payload: Uint8Array, turn = this.turn): ReadEntry {
    return this.#add(payload, { kind: "message", turn });
  }
  proposal(payload: Uint8Array, account: string, more: { readonly leave?: true } = {}): ReadEntry {
    return this.#add(payload, { kind: "proposal", turn: this.turn, account, ...more });
  }
  commit(
    payload: Uint8Array,
    account: string,
    more: { readonly id?: string; readonly add?: string[]; readonly remove?: string[] } = {},
  ): ReadEntry {
    const roster = { add: more.add ?? [], remove: more.remove ?? [] };
    return this.#add(payload, { kind: "commit", turn: this.turn++, account, roster }, more.id);
  }

  #add(
    payload: Uint8Array,
    kind:
      | { kind: "message"; turn: number }
      | { kind: "proposal"; turn: number; account: string; leave?: true }
      | { kind: "commit"; turn: number; account: string; roster: { add: string[]; remove: string[] } },
    id = encodeBase64Url(provider.random(16)),
  ): ReadEntry {
    const prev = this.entries.at(-1)?.entry.seq ?? 0;
    const common = {
      seq: prev + 1,
      prev,
      id,
      at: now + prev,
      expires: now * 2,
      payload: { inline: encodeBase64Url(payload) },
    };
    const entry: Entry = { ...kind, ...common };
    const read = { entry, payload };
    this.entries.push(read);
    return read;
  }
}

export async function apply(
  context: SessionContext,
  state: ConversationState,
  reads: readonly ReadEntry[],
): Promise<Step> {
  let step: Step = { state, items: [], consumed: [] };
  for (const read of reads) {
    const next = await applyEntry(context, step.state, read);
    step = merged(step, next);
  }
  return step;
}

export interface Couple {
  readonly log: TestLog;
  readonly alice: SessionContext;
  readonly bob: SessionContext;
  atAlice: ConversationState;
  atBob: ConversationState;
}

/** Of which Alice is the owner. */
export const groupOfTwo = newConversation(`g-${"A".repeat(22)}`, ["alice", "bob"], { ...plainData, owners: ["alice"] });

/** Alice has created a conversation, and Bob has joined it: a direct one, unless it is said which. */
export async function couple(
  fresh = newConversation(directConversationId(provider, "alice", "bob"), ["alice", "bob"]),
): Promise<Couple> {
  const [alice, bob] = [await device("alice"), await device("bob")];
  const log = new TestLog();
  const keyPackage = await keyPackageOf(bob);
  const claimed = { account: "bob", device: bob.device, claim: "c", keyPackage: keyPackage.bytes };
  const { state } = await createPending(alice, fresh, [claimed], now);
  const { commit, entry, welcomes } = state.pending!;
  log.commit(commit, "alice", { id: entry, add: ["alice", "bob"] });
  const created = await apply(alice, state, log.entries);
  const joined = await joinByWelcome(bob, undefined, {
    conversation: fresh.id,
    seq: 1,
    turn: 1,
    at: now,
    welcome: welcomes[0]!.welcome,
    tree: undefined,
    keyPackage,
  });
  if (joined.kind !== "joined") throw new Error(joined.kind);
  return { log, alice, bob, atAlice: created.state, atBob: (await apply(bob, joined.step.state, log.entries)).state };
}

/** The state with `text` sealed, and the ciphertext. */
export async function sealed(
  context: SessionContext,
  state: ConversationState,
  text: string,
): Promise<{ readonly state: ConversationState; readonly ciphertext: Uint8Array }> {
  const id = encodeBase64Url(provider.random(16));
  const step = await sealBatch(context, enqueue(state, { id, text, sentAt: now }));
  return { state: step.state, ciphertext: nextBatch(step.state).at(-1)!.sealed.ciphertext };
}

/** Opens the Welcome and takes it, as the client does. */
export async function joinByWelcome(
  context: SessionContext,
  known: ConversationState | undefined,
  invitation: Omit<Invitation, "tree"> & { readonly tree?: Uint8Array | undefined },
): Promise<JoinOutcome | { readonly kind: "foreign" }> {
  const opened = await openInvitation(context, { tree: undefined, ...invitation });
  return opened === undefined ? { kind: "foreign" } : acceptInvitation(known, opened, false);
}

/** A commit that changes nothing but the own keys. */
export function rotatePending(context: SessionContext, state: ConversationState): Promise<Step> {
  return changePending(context, state, { intent: undefined, removes: [], adds: [], data: undefined }, now);
}

/** The same without a place in a log. */
export function rotateKeys(context: SessionContext, group: Group, authenticatedData: Uint8Array): Promise<Committed> {
  const change = { references: [], removes: [], adds: [] };
  return commitChange(context, group, change, { authenticatedData, treeKey: new Uint8Array(32), now });
}
