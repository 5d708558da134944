/** Welcomes that would lead a device back, away, or to somebody who is not in: each test named after the attempt. */
import {
  directConversationId,
  newConversation,
  type ConversationState,
} from "../../../client/src/session/conversation.ts";
import type { GroupData } from "../../../client/src/session/group/groupData.ts";
import { identities, leavesOf } from "../../../client/src/session/group/group.ts";
import { plainData } from "../../../client/src/session/group/groupData.ts";
import { openInvitation } from "../../../client/src/session/joining/invitation.ts";
import { acceptInvitation } from "../../../client/src/session/joining/joining.ts";
import { enqueue, nextBatch, sealBatch } from "../../../client/src/session/outbox.ts";
import { changePending, createPending } from "../../../client/src/session/pendingCommit.ts";
import { withoutRemains } from "../../../client/src/session/remains.ts";
import { asksFirst, succeeding } from "../../../client/src/session/repair/successor.ts";
import { apply, device, joinByWelcome, keyPackageOf, now, provider, TestLog } from "../support/devices.ts";
import { accountKey, deviceUnder, forgedInvitation, party } from "../support/forger.ts";

const id = `g-${"P".repeat(22)}`;
const next = `g-${"Q".repeat(22)}`;
const stuck = (state: ConversationState): ConversationState => ({
  ...state,
  phase: "stuck",
  repair: { attempts: 1, due: 0, after: state.cursor },
});
const successorOf = (state: ConversationState, more: object = {}) => ({
  ...state.data,
  generation: 1,
  predecessor: id,
  ...more,
});

/** Alice owns it, Bob is an admin, Carol a member. */
async function trio() {
  const key = { alice: await accountKey(), bob: await accountKey(), carol: await accountKey() };
  const alice = await deviceUnder(key.alice, "alice");
  const bob = await deviceUnder(key.bob, "bob");
  const carol = await deviceUnder(key.carol, "carol");
  const { log, states } = await party([alice, bob, carol], { admins: ["bob"] });
  const [atAlice, atBob, atCarol] = states as [ConversationState, ConversationState, ConversationState];
  return { key, alice, bob, carol, log, atAlice, atBob, atCarol };
}

describe("who cannot follow", () => {
  it("is not put in anew by somebody who was never in, however far their group has come", async () => {
    const { alice, carol, bob, atCarol } = await trio();
    const mallory = await device("mallory");
    const forged = await forgedInvitation(mallory, carol, { id, epochs: 9, seq: 9, turn: 9 });
    expect(await joinByWelcome(carol, stuck(atCarol), forged)).toEqual({ kind: "refused" });
    expect(await joinByWelcome(carol, { ...stuck(atCarol), phase: "awaitingWelcome" }, forged)).toEqual({
      kind: "refused",
    });
    // Nor by a member's name under another key, or with such a name in it.
    const impostor = await device("bob");
    const named = await forgedInvitation(impostor, carol, { id, epochs: 9, seq: 9, turn: 9 });
    expect(await joinByWelcome(carol, stuck(atCarol), named)).toEqual({ kind: "refused" });
    const among = await forgedInvitation(alice, carol, { id, epochs: 9, seq: 9, turn: 9, with: [impostor] });
    expect(await joinByWelcome(carol, stuck(atCarol), among)).toEqual({ kind: "refused" });
    const honest = await forgedInvitation(alice, carol, { id, epochs: 9, seq: 9, turn: 9, with: [bob] });
    expect(await joinByWelcome(carol, stuck(atCarol), honest)).toMatchObject({ kind: "joined" });
  });

  it("does not go back to an epoch that it has left, whatever place the relay names", async () => {
    const { alice, carol, atCarol } = await trio();
    const old = await forgedInvitation(alice, carol, { id, epochs: 1, seq: 99, turn: 99 });
    expect(await joinByWelcome(carol, stuck(atCarol), old)).toEqual({ kind: "member" });
    const left = { ...atCarol, phase: "ended" as const, group: undefined, lastEpoch: 1 };
    expect(await joinByWelcome(carol, left, old)).toEqual({ kind: "member" });
    const later = await forgedInvitation(alice, carol, { id, epochs: 2, seq: 99, turn: 99 });
    expect(await joinByWelcome(carol, left, later)).toMatchObject({ kind: "joined" });
  });
});

describe("a group that this device is about to create", () => {
  it("is nobody else's to invite it to", async () => {
    const [alice, mallory] = [await device("alice"), await device("mallory")];
    const wanted = newConversation(id, ["alice", "bob"], { ...plainData, owners: ["alice"] });
    const forged = await forgedInvitation(mallory, alice, { id });
    expect(await joinByWelcome(alice, wanted, forged)).toEqual({ kind: "refused" });
    expect(await joinByWelcome(alice, { ...wanted, phase: "awaitingWelcome" }, forged)).toEqual({ kind: "refused" });
  });
});

describe("a successor", () => {
  it("is followed where a member opens it with everybody", async () => {
    const { alice, bob, carol, atAlice, atBob } = await trio();
    const forged = await forgedInvitation(carol, bob, { id: next, with: [alice], data: successorOf(atAlice) });
    expect(await joinByWelcome(bob, atBob, forged)).toMatchObject({ kind: "joined" });
  });

  it("is not followed where a device opens it, or is in it, that was removed", async () => {
    const { key, alice, bob, carol, atAlice } = await trio();
    const revoked = await deviceUnder(key.bob, "bob");
    const data = successorOf(atAlice);
    const opened = await forgedInvitation(revoked, alice, { id: next, with: [carol], data });
    expect(await joinByWelcome(alice, atAlice, opened)).toEqual({ kind: "refused" });
    const brought = await forgedInvitation(bob, alice, { id: next, with: [carol, revoked], data });
    expect(await joinByWelcome(alice, atAlice, brought)).toEqual({ kind: "refused" });
    // A device that was linked since counts, where the record lists it and the log did not show its removal.
    const device = new Set([revoked.device]);
    const none = new Set<string>();
    const met = async (
      invitation: typeof brought,
      expelled: readonly string[],
      listing: Parameters<typeof acceptInvitation>[3],
    ): Promise<string> => {
      const again = await openInvitation(alice, invitation);
      return acceptInvitation({ ...atAlice, expelled }, again!, false, listing).kind;
    };
    const listed = { listed: device, revoked: none };
    expect(await met(brought, [], listed)).toBe("joined");
    expect(await met(brought, [revoked.device], listed)).toBe("refused");
    // So does one that was revoked after that: it may be there, as in an epoch of the log, and opens nothing.
    const gone = { listed: none, revoked: device };
    expect(await met(brought, [], gone)).toBe("joined");
    expect(await met(brought, [revoked.device], gone)).toBe("refused");
    expect(await met(opened, [], gone)).toBe("refused");
  });

  it("of a direct conversation is not followed where a revoked device of the other opens it", async () => {
    const key = await accountKey();
    const [alice, bob] = [await device("alice"), await deviceUnder(key, "bob")];
    const direct = directConversationId(provider, "alice", "bob");
    const { states } = await party([alice, bob], {}, direct);
    const log = directConversationId(provider, "alice", "bob", 1);
    const data = { generation: 1, predecessor: direct };
    const from = async (by: typeof bob): Promise<string> =>
      (await joinByWelcome(alice, states[0], await forgedInvitation(by, alice, { id: log, data }))).kind;
    expect(await from(await deviceUnder(key, "bob"))).toBe("refused");
    expect(await from(bob)).toBe("joined");
    // Who starts anew under another key is met like a stranger: nothing is sent before the key is accepted.
    expect(await from(await device("bob"))).toBe("joined");
  });

  it("is a conversation of its own for an account that is out, unless the relay alone said that and members call", async () => {
    const { alice, bob, carol, atAlice, atBob } = await trio();
    const data = successorOf(atAlice);
    const opened = await forgedInvitation(carol, bob, { id: next, with: [alice], data });
    const ended = { ...atBob, phase: "ended" as const, group: undefined };
    expect(await joinByWelcome(bob, ended, opened)).toEqual({ kind: "apart" });
    const told = { ...ended, anchors: identities(atBob.group!) };
    expect(await joinByWelcome(bob, told, opened)).toMatchObject({ step: { items: [{ kind: "rejoined" }] } });
    // A name is not enough.
    const impostor = await device("carol");
    const forged = await forgedInvitation(impostor, bob, { id: next, with: [alice], data });
    expect(await joinByWelcome(bob, told, forged)).toEqual({ kind: "apart" });
  });

  it("is not the same for whoever opened one before, was removed there, and is called by somebody removed earlier", async () => {
    const [alice, bob, mallory] = [await device("alice"), await device("bob"), await device("mallory")];
    const { states } = await party([alice, bob, mallory]);
    const moved = succeeding(bob, { ...states[1]!, phase: "stuck" }).state;
    const keyPackages = await Promise.all([alice, mallory].map(keyPackageOf));
    const claimed = [alice, mallory].map(({ account, device }, index) => {
      return { account, device, claim: `c${index}`, keyPackage: keyPackages[index]!.bytes };
    });
    const made = (await createPending(bob, moved, claimed, now)).state;
    const log = new TestLog();
    log.commit(made.pending!.commit, "bob", { add: [...made.pending!.add] });
    let atBob = (await apply(bob, made, log.entries)).state;
    const { welcome } = made.pending!.welcomes[0]!;
    const called = { conversation: moved.log, seq: 1, turn: 1, at: now, welcome, keyPackage: keyPackages[0]! };
    const outcome = await joinByWelcome(alice, states[0], called);
    if (outcome.kind !== "joined") throw new Error(outcome.kind);
    let atAlice = (await apply(alice, outcome.step.state, log.entries)).state;
    for (const gone of ["mallory", "bob"]) {
      const removes = leavesOf(atAlice.group!).flatMap(({ identity, leafIndex }) =>
        identity.account === gone ? [leafIndex] : [],
      );
      const wish = { intent: undefined, removes, adds: [], data: undefined };
      const { state } = await changePending(alice, atAlice, wish, now);
      log.commit(state.pending!.commit, "alice", { remove: [gone] });
      atAlice = (await apply(alice, state, log.entries)).state;
      atBob = (await apply(bob, atBob, log.entries)).state;
    }
    const ended = withoutRemains({ state: atBob, items: [], consumed: [] }).state;
    expect(ended.phase).toBe("ended");
    const data = { owners: ["alice"], generation: ended.data.generation + 1, predecessor: ended.log };
    const forged = await forgedInvitation(mallory, bob, { id: `g-${"Z".repeat(22)}`, with: [alice], data });
    expect(await joinByWelcome(bob, ended, forged)).toEqual({ kind: "apart" });
  });

  it("of a direct conversation that has ended here is a request where its opener is a stranger", async () => {
    const [alice, bob] = [await device("alice"), await device("bob")];
    const direct = directConversationId(provider, "alice", "bob");
    const { states } = await party([alice, bob], {}, direct);
    const log = directConversationId(provider, "alice", "bob", 1);
    const data = { generation: 1, predecessor: direct };
    const invitation = await forgedInvitation(bob, alice, { id: log, data });
    const { group: old } = states[0]!;
    const ended = { ...states[0]!, phase: "ended" as const, group: undefined, lastEpoch: 7, nextPosition: 12 };
    const accepted = async (known: ConversationState) =>
      acceptInvitation(known, (await openInvitation(alice, invitation))!, true);
    expect(await accepted({ ...ended, acceptedKeys: [["bob", "an old key"]] })).toMatchObject({
      step: {
        state: { id: direct, log, phase: "open", requestBy: "bob", acceptedKeys: [], lastEpoch: 0, nextPosition: 13 },
        items: [{ kind: "opened", by: "bob", position: 12 }],
      },
    });
    // As one that was restored from a backup.
    expect(await accepted({ ...ended, anchors: identities(old!) })).toMatchObject({
      step: { state: { phase: "open", requestBy: "bob" } },
    });
  });

  it("of a direct conversation says that something may be missing to a device that was not in the log before", async () => {
    const [alice, bob] = [await device("alice"), await device("bob")];
    const predecessor = directConversationId(provider, "alice", "bob");
    const log = directConversationId(provider, "alice", "bob", 1);
    const opened = await forgedInvitation(bob, alice, { id: log, data: { generation: 1, predecessor } });
    const outcome = await joinByWelcome(alice, undefined, opened);
    expect(outcome).toMatchObject({
      step: { items: [{ kind: "rejoined", by: "bob", after: 0, successor: true }] },
    });
  });

  it("does not leave anybody behind whom its opener could not remove, be they served or not", async () => {
    const { alice, bob, carol, atAlice, atBob, atCarol } = await trio();
    const data = successorOf(atAlice);
    const withoutBob = await forgedInvitation(carol, alice, { id: next, data: { ...data, admins: [] } });
    expect(await joinByWelcome(alice, atAlice, withoutBob)).toEqual({ kind: "refused" });
    expect(await joinByWelcome(alice, { ...atAlice, unlisted: ["bob"] }, withoutBob)).toEqual({ kind: "refused" });
    const withoutAlice = await forgedInvitation(bob, carol, {
      id: next,
      data: { ...data, owners: ["bob"], admins: [] },
    });
    expect(await joinByWelcome(carol, atCarol, withoutAlice)).toEqual({ kind: "refused" });
    const withoutCarol = await forgedInvitation(alice, bob, { id: next, data });
    expect(await joinByWelcome(bob, atBob, withoutCarol)).toMatchObject({ kind: "joined" });
  });

  it("does not change roles, title or picture by somebody who could not", async () => {
    const { alice, bob, carol, atAlice, atCarol } = await trio();
    // Bob may remove Carol, not crown himself on the way.
    const crowned = await forgedInvitation(bob, alice, {
      id: next,
      data: successorOf(atAlice, { owners: ["bob"], admins: [] }),
    });
    expect(await joinByWelcome(alice, atAlice, crowned)).toEqual({ kind: "refused" });
    const renamed = await forgedInvitation(carol, alice, {
      id: next,
      with: [bob],
      data: successorOf(atAlice, { title: "Carol's" }),
    });
    expect(await joinByWelcome(alice, atAlice, renamed)).toEqual({ kind: "refused" });
    const byAdmin = await forgedInvitation(bob, carol, {
      id: next,
      with: [alice],
      data: successorOf(atAlice, { title: "Bob's" }),
    });
    expect(await joinByWelcome(carol, atCarol, byAdmin)).toMatchObject({ kind: "joined" });
  });

  it("may be as it was once, by whoever does not know what changed since, where nobody has a role again", async () => {
    const { alice, bob, carol, atAlice } = await trio();
    const before = atAlice.data;
    const opened = await forgedInvitation(carol, alice, { id: next, with: [bob], data: successorOf(atAlice) });
    const changedTo = (data: Partial<GroupData>): ConversationState => ({ ...atAlice, data: { ...before, ...data } });
    const renamed = changedTo({ title: "Now" });
    expect(await joinByWelcome(alice, renamed, opened)).toEqual({ kind: "refused" });
    expect(await joinByWelcome(alice, { ...renamed, formerData: [before] }, opened)).toMatchObject({
      kind: "joined",
      step: {
        state: { data: { title: before.title }, formerData: [before, renamed.data] },
        items: [{ kind: "rejoined" }, { kind: "titleChanged", title: before.title, by: "carol" }],
      },
    });
    // Nobody there could remove Bob who may not.
    const without = await forgedInvitation(carol, alice, {
      id: next,
      with: [bob],
      data: successorOf(atAlice, { admins: [] }),
    });
    expect(await joinByWelcome(alice, { ...atAlice, formerData: [{ ...before, admins: [] }] }, without)).toMatchObject({
      kind: "joined",
      step: { items: [{ kind: "rejoined" }, { kind: "roleChanged", account: "bob", role: "member", by: "carol" }] },
    });
    const byBob = await forgedInvitation(bob, alice, { id: next, with: [carol], data: successorOf(atAlice) });
    for (const [now, invitation] of [
      [{ admins: [] }, opened],
      // Bob could remove Carol there, and may not: neither by his own word, nor by hers.
      [{ admins: ["bob", "carol"] }, byBob],
      [{ admins: ["bob", "carol"] }, opened],
      [{ owners: ["alice", "carol"] }, byBob],
    ] as const) {
      const changed = { ...changedTo(now), formerData: [before] };
      expect(await joinByWelcome(alice, changed, invitation)).toEqual({ kind: "refused" });
    }
  });

  it("that two open at once is met by who lost, and by nobody from outside", async () => {
    const { alice, bob, carol, atAlice, atBob } = await trio();
    const wanted: ConversationState = { ...succeeding(bob, atBob).state, phase: "awaitingWelcome" };
    expect(wanted.log).toBe(succeeding(alice, atAlice).state.log);
    const data = successorOf(atAlice);
    const won = await forgedInvitation(alice, bob, { id: wanted.log, with: [carol], data });
    expect(await joinByWelcome(bob, wanted, won)).toMatchObject({ kind: "joined" });
    const impostor = await device("alice");
    const forged = await forgedInvitation(impostor, bob, { id: wanted.log, with: [carol], data });
    expect(await joinByWelcome(bob, wanted, forged)).toEqual({ kind: "refused" });
  });

  it("whose name a member took without letting anybody in is opened under another, and followed", async () => {
    const { alice, bob, carol, atAlice, atBob } = await trio();
    const shutOut: ConversationState = { ...succeeding(bob, atBob).state, phase: "awaitingWelcome" };
    const again = succeeding(bob, shutOut).state;
    expect(again.log).not.toBe(shutOut.log);
    // Nobody there would hear it.
    expect([shutOut, { ...atBob, phase: "stuck" as const }].map(asksFirst)).toEqual([false, true]);
    expect(again.data).toMatchObject({ predecessor: id, generation: 1 });
    expect(again.anchors).toEqual(identities(atBob.group!));
    const opened = await forgedInvitation(bob, alice, { id: again.log, with: [carol], data: successorOf(atAlice) });
    const alsoShutOut: ConversationState = { ...succeeding(alice, atAlice).state, phase: "awaitingWelcome" };
    for (const known of [atAlice, alsoShutOut]) {
      expect(await joinByWelcome(alice, known, opened)).toMatchObject({
        kind: "joined",
        step: { state: { log: again.log } },
      });
    }
  });

  it("is sent what waits as it was written, not as it was sealed for the log before", async () => {
    const { alice, bob, carol, atAlice } = await trio();
    const waiting = enqueue(atAlice, { id: "A".repeat(22), text: "on its way", sentAt: now });
    const { state } = await sealBatch(alice, waiting);
    expect(nextBatch(state)).toHaveLength(1);
    const forged = await forgedInvitation(bob, alice, { id: next, with: [carol], data: successorOf(atAlice) });
    const joined = await joinByWelcome(alice, state, forged);
    if (joined.kind !== "joined") throw new Error(joined.kind);
    // The new log has as many turns as the old one had.
    expect(joined.step.state.turn).toBe(state.turn);
    expect(nextBatch(joined.step.state)).toEqual([]);
    expect(nextBatch({ ...succeeding(alice, state).state, turn: state.turn })).toEqual([]);
    expect(joined.step.state.outbox).toMatchObject([{ text: "on its way" }]);
  });
});
