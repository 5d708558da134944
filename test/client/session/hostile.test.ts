/** What strangers, members and a relay tried against the steps of a conversation, each test named after the attempt. */
import {
  createCommit,
  createGroup,
  createProposal,
  decodeKeyPackage,
  decodeKeyPackagePrivate,
  type Extension,
} from "@tacit/mls";
import { authentication } from "../../../client/src/session/group/authenticate.ts";
import { encodeCommitData } from "../../../client/src/session/reading/commitData.ts";
import type { ConversationState, SessionContext } from "../../../client/src/session/conversation.ts";
import { directConversationId, newConversation } from "../../../client/src/session/conversation.ts";
import type { Group } from "../../../client/src/session/group/group.ts";
import { dataExtensionOf } from "../support/groupExtension.ts";
import type { Invitation } from "../../../client/src/session/joining/invitation.ts";
import { createPending, withoutPending } from "../../../client/src/session/pendingCommit.ts";
import {
  apply,
  couple,
  device,
  groupOfTwo,
  joinByWelcome,
  keyPackageOf,
  now,
  provider,
  rotatePending,
  sealed,
  suite,
  type TestLog,
} from "../support/devices.ts";

type JoinOutcome = Awaited<ReturnType<typeof joinByWelcome>>;

const kinds = ({ items }: { readonly items: readonly { readonly kind: string }[] }): readonly string[] =>
  items.map(({ kind }) => kind);
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const data = (turn: number, change: Partial<Parameters<typeof encodeCommitData>[0]> = {}) =>
  encodeCommitData({ turn, add: [], remove: [], blobs: [], log: undefined, ...change });

type Commit = Awaited<ReturnType<typeof createCommit>>;

/** A commit by `by` that adds the devices `added` and removes those of the accounts `removed`. */
async function commitOf(
  by: SessionContext,
  group: Group,
  authenticatedData: Uint8Array,
  change: { readonly added?: readonly SessionContext[]; readonly removed?: readonly number[] } = {},
): Promise<Commit> {
  const keyPackages = await Promise.all((change.added ?? []).map(keyPackageOf));
  return createCommit(group, {
    authentication: authentication(by),
    proposals: [
      ...(change.removed ?? []).map((leafIndex) => ({ type: "remove", removed: leafIndex }) as const),
      ...keyPackages.map(({ bytes }) => ({ type: "add", keyPackage: decodeKeyPackage(bytes) }) as const),
    ],
    references: "none",
    authenticatedData,
  });
}

/** What `to` makes of a Welcome to a group that `by` made up. */
async function invited(
  by: SessionContext,
  to: SessionContext,
  id: string,
  more: {
    readonly groupId?: Uint8Array;
    readonly others?: readonly SessionContext[];
    readonly extensions?: readonly Extension[];
  } = {},
): Promise<JoinOutcome> {
  const own = await keyPackageOf(by);
  const alone = await createGroup({
    suite,
    groupId: more.groupId ?? utf8(id),
    keyPackage: decodeKeyPackage(own.bytes),
    privateKeys: decodeKeyPackagePrivate(own.privateKeys),
    extensions: more.extensions ?? [dataExtensionOf(id.startsWith("g-") ? { owners: [by.account] } : {})],
    authentication: authentication(by),
  });
  const keyPackage = await keyPackageOf(to);
  const others = await Promise.all((more.others ?? []).map(keyPackageOf));
  const { welcomes } = await createCommit(alone, {
    authentication: authentication(by),
    proposals: [keyPackage, ...others].map(({ bytes }) => ({ type: "add", keyPackage: decodeKeyPackage(bytes) })),
    welcome: "separate",
    ratchetTreeInWelcome: true,
  });
  const welcome = welcomes[0]!.bytes;
  return joinByWelcome(to, undefined, { conversation: id, seq: 1, turn: 1, at: now, welcome, keyPackage });
}

describe("a stranger invited Bob", () => {
  const group = "g-AAAAAAAAAAAAAAAAAAAAAA";
  const direct = directConversationId(provider, "mallory", "bob");

  it("into a group whose id is no text", async () => {
    const [mallory, bob] = [await device("mallory"), await device("bob")];
    for (const groupId of [Uint8Array.of(0xff, 0xfe), new Uint8Array(0), utf8(`${direct} `)]) {
      expect(await invited(mallory, bob, direct, { groupId })).toEqual({ kind: "foreign" });
    }
    expect(await invited(mallory, bob, direct)).toMatchObject({ kind: "joined" });
  });

  it("into a group that says nothing of itself, or gives roles to those who are not in it", async () => {
    const [mallory, bob] = [await device("mallory"), await device("bob")];
    const none = { extensions: [] };
    const absent = { extensions: [dataExtensionOf({ owners: ["alice", "mallory"] })] };
    const nobody = { extensions: [dataExtensionOf({})] };
    for (const more of [none, absent, nobody]) {
      expect(await invited(mallory, bob, group, more)).toEqual({ kind: "foreign" });
    }
    expect(await invited(mallory, bob, group)).toMatchObject({ kind: "joined" });
  });

  it("into a conversation of two with more than those", async () => {
    const [mallory, bob] = [await device("mallory"), await device("bob")];
    const impostors = [await device("alice"), await device("carol")];
    expect(await invited(mallory, bob, direct, { others: impostors })).toEqual({ kind: "foreign" });
  });

  it("together with another device of Bob's, by a certificate of the stranger's own", async () => {
    const [mallory, bob, impostor] = [await device("mallory"), await device("bob"), await device("bob")];
    expect(await invited(mallory, bob, direct, { others: [impostor] })).toEqual({ kind: "foreign" });
    expect(await invited(mallory, bob, direct, { others: [await device("mallory")] })).toEqual({ kind: "foreign" });
  });
});

describe("a member", () => {
  it("added a leaf under the other's name: void, on both sides", async () => {
    const { log, alice, bob, atAlice, atBob } = await couple();
    const impostor = await device("bob");
    const made = await commitOf(alice, atAlice.group!, data(1), { added: [impostor] });
    log.commit(made.commit, "alice");
    const step = await apply(bob, atBob, log.entries);
    expect(kinds(step)).toEqual(["void"]);
    expect(step.state.group!.epoch).toBe(atBob.group!.epoch);
    const own = await apply(alice, withPending(await rotated(alice, atAlice), made), log.entries);
    expect(kinds(own)).toEqual(["void"]);
    expect(own.state.chain).toEqual(step.state.chain);
  });

  it("added a third account to a direct conversation", async () => {
    const { log, alice, bob, atAlice, atBob } = await couple();
    const add = ["mallory"];
    const made = await commitOf(alice, atAlice.group!, data(1, { add }), { added: [await device("mallory")] });
    log.commit(made.commit, "alice", { add });
    expect(kinds(await apply(bob, atBob, log.entries))).toEqual(["void"]);
  });

  it("removed the other and named another roster: void for the removed one too", async () => {
    const { log, alice, bob, atAlice, atBob } = await couple(groupOfTwo);
    const removed = [atBob.group!.epoch.ownLeafIndex];
    const named = { remove: ["bob", "carol"] };
    log.commit((await commitOf(alice, atAlice.group!, data(1, named), { removed })).commit, "alice", named);
    const step = await apply(bob, atBob, log.entries);
    expect(kinds(step)).toEqual(["void"]);
    expect(step.state.phase).toBe("open");
    // The relay dropped Bob with the void one already.
    const honest = { remove: [] };
    log.commit((await commitOf(alice, atAlice.group!, data(2, honest), { removed })).commit, "alice", honest);
    const after = await apply(bob, step.state, log.entries);
    expect(after.items).toMatchObject([{ kind: "membersChanged", removed: ["bob"], added: [], by: "alice" }]);
    expect(after.state.phase).toBe("ended");
  });

  it("posted a commit of an epoch to come, to have everybody give up", async () => {
    const { log, alice, bob, atAlice, atBob } = await couple();
    const next = (await commitOf(alice, atAlice.group!, data(1))).next;
    log.commit((await commitOf(alice, next, data(1))).commit, "alice");
    const step = await apply(bob, atBob, log.entries);
    expect(kinds(step)).toEqual(["void"]);
    expect(step.state.phase).toBe("open");
  });

  it("changed the group's extensions, which nothing in Tacit uses", async () => {
    const { log, alice, bob, atAlice, atBob } = await couple();
    const { commit } = await createCommit(atAlice.group!, {
      authentication: authentication(alice),
      proposals: [{ type: "groupContextExtensions", extensions: [] }],
      authenticatedData: data(1),
    });
    log.commit(commit, "alice");
    expect(kinds(await apply(bob, atBob, log.entries))).toEqual(["void"]);
  });
});

describe("a relay", () => {
  it("renamed the entry of an own commit: it counts by what it is", async () => {
    const { log, alice, bob, atAlice, atBob } = await couple();
    const rotating = await rotated(alice, atAlice);
    log.commit(rotating.pending!.commit, "alice", { id: "AAAAAAAAAAAAAAAAAAAAAA" });
    const [a, b] = [await apply(alice, rotating, log.entries), await apply(bob, atBob, log.entries)];
    expect([kinds(a), kinds(b)]).toEqual([["keysChanged"], ["keysChanged"]]);
    expect(a.state.group).toBe(rotating.pending!.next);
    expect(a.state.chain).toEqual(b.state.chain);
  });

  it.each([
    ["another account", { account: "bob" }],
    ["another roster", { roster: { add: [], remove: ["bob"] } }],
    ["another turn", { turn: 2 }],
  ])("told of an own commit %s: void for who made it, as for the others", async (_what, told) => {
    const { log, alice, bob, atAlice, atBob } = await couple();
    const rotating = await rotated(alice, atAlice);
    const { entry, payload } = log.commit(rotating.pending!.commit, "alice");
    const misled = { entry: { ...entry, ...told }, payload };
    const [a, b] = [await apply(alice, rotating, [misled]), await apply(bob, atBob, [misled])];
    expect([kinds(a), kinds(b)]).toEqual([["void"], ["void"]]);
    expect([a.state.group!.epoch, b.state.group!.epoch]).toEqual([atAlice.group!.epoch, atBob.group!.epoch]);
    expect(a.state.chain).toEqual(b.state.chain);
    // Who was shown the truth has another log from here on.
    expect((await apply(bob, atBob, log.entries)).state.chain).not.toEqual(b.state.chain);
  });

  it("showed a void commit again later, as it should have been", async () => {
    const { log, alice, bob, atAlice, atBob } = await couple();
    const rotating = await rotated(alice, atAlice);
    const { commit } = rotating.pending!;
    log.commit(commit, "alice", { remove: ["bob"] });
    log.commit(commit, "alice");
    const [a, b] = [await apply(alice, rotating, log.entries), await apply(bob, atBob, log.entries)];
    expect([kinds(a), kinds(b)]).toEqual([
      ["void", "void"],
      ["void", "void"],
    ]);
    const { ciphertext } = await sealed(alice, a.state, "in step");
    expect((await apply(bob, b.state, [log.message(ciphertext)])).items).toMatchObject([{ text: "in step" }]);
  });

  it("kept back an own commit, then showed it: this device cannot follow, and does not guess", async () => {
    const { log, alice, atAlice } = await couple();
    const { commit } = (await rotated(alice, atAlice)).pending!;
    log.commit(commit, "alice");
    const step = await apply(alice, atAlice, log.entries);
    expect(kinds(step)).toEqual(["cannotFollow"]);
    expect(step.state.phase).toBe("stuck");
  });

  it("let a proposal expire that a commit refers to: one device cannot follow, no verdict is made up", async () => {
    const { log, alice, bob, atAlice, atBob } = await couple(groupOfTwo);
    const proposed = await createProposal(
      atAlice.group!,
      { type: "remove", removed: 1 },
      {
        authentication: authentication(alice),
      },
    );
    log.proposal(proposed.message, "alice", { leave: true });
    const { commit } = await createCommit(proposed.state, {
      authentication: authentication(alice),
      references: "all",
      authenticatedData: data(1, { remove: ["bob"], unlisted: ["alice"] }),
    });
    log.commit(commit, "alice", { remove: ["bob"] });
    expect(kinds(await apply(bob, atBob, log.entries))).toEqual(["membersChanged"]);
    expect(kinds(await apply(bob, atBob, log.entries.slice(-1)))).toEqual(["missing", "cannotFollow"]);
    const [lost, last] = [{ ...log.entries[1]!, payload: undefined }, log.entries[2]!];
    expect(kinds(await apply(bob, atBob, [lost, last]))).toEqual(["unreadable", "cannotFollow"]);
    // Nothing expired: then the reference is to nothing, for everybody.
    const stray = { ...last, entry: { ...last.entry, seq: 2, prev: 1 } };
    expect(kinds(await apply(bob, atBob, [stray]))).toEqual(["void"]);
  });

  it("told who joins a false place in the log", async () => {
    const { log, invitation, bob, alice, created } = await invitedCouple();
    const { ciphertext } = await sealed(alice, created, "before Bob looked");
    log.message(ciphertext);
    const rotating = await rotated(alice, (await apply(alice, created, log.entries)).state);
    log.commit(rotating.pending!.commit, "alice");
    const at = async (seq: number, turn: number): Promise<readonly string[]> => {
      const joined = await joinByWelcome(bob, undefined, { ...invitation, seq, turn });
      if (joined.kind !== "joined") throw new Error(joined.kind);
      return kinds(await apply(bob, joined.step.state, log.entries));
    };
    expect(await at(1, 1)).toEqual(["message", "keysChanged"]);
    expect(await at(1, 2)).toEqual(["cannotFollow"]);
    expect(await at(2, 1)).toEqual(["cannotFollow"]);
    expect(await at(3, 2)).toEqual(["cannotFollow"]);
  });

  it("hid what came right after the place where Bob joined", async () => {
    const { log, invitation, bob, alice, created } = await invitedCouple();
    let state = created;
    for (const text of ["hidden", "shown"]) {
      const next = await sealed(alice, state, text);
      log.message(next.ciphertext);
      state = (await apply(alice, next.state, log.entries)).state;
    }
    const joined = await joinByWelcome(bob, undefined, invitation);
    if (joined.kind !== "joined") throw new Error(joined.kind);
    const step = await apply(bob, joined.step.state, [log.entries[2]!]);
    expect(step.items).toMatchObject([{ kind: "missing", after: 1, before: 3 }, { text: "shown" }]);
  });
});

describe("a relay feigned an expiry", () => {
  it("to have the logs not compared any more, and then replaced an entry", async () => {
    const { log, alice, bob, atAlice, atBob } = await couple();
    let state = atAlice;
    for (const text of ["hidden", "shown", "replaced", "last"]) {
      const next = await sealed(alice, state, text);
      log.message(next.ciphertext);
      state = (await apply(alice, next.state, log.entries)).state;
    }
    const [, , shown, replaced, last] = log.entries;
    const step = await apply(bob, atBob, [shown!, replaced!, last!]);
    expect(kinds(step)).toEqual(["missing", "message", "message", "message"]);
    expect(step.state.chain).toEqual(state.chain);
    const noise = provider.random(100);
    const inline = Buffer.from(noise).toString("base64url");
    const other = { entry: { ...replaced!.entry, payload: { inline } }, payload: noise };
    const misled = await apply(bob, atBob, [shown!, other, last!]);
    expect(kinds(misled)).toEqual(["missing", "message", "unreadable", "logMismatch", "message"]);
  });
});

describe("what is never used", () => {
  it("is handed out to be wiped: a commit that lost, and after a restart the epoch before one's own", async () => {
    const { log, alice, bob, atAlice, atBob } = await couple();
    const [losing, winning] = [await rotated(alice, atAlice), await rotated(bob, atBob)];
    log.commit(winning.pending!.commit, "bob");
    const lost = await apply(alice, losing, log.entries);
    expect(lost.consumed).toContain(losing.pending!.next.epoch.secrets.initSecret);
    expect(withoutPending(losing).consumed).toContain(losing.pending!.next.epoch.secrets.initSecret);
    expect(withoutPending(losing).consumed).not.toContain(losing.group!.epoch.secrets.initSecret);
    const { consumedByNext: _, ...restarted } = winning.pending!;
    const won = await apply(bob, { ...winning, pending: restarted }, log.entries);
    expect(won.consumed).toContain(winning.group!.epoch.secrets.initSecret);
    expect(won.consumed).not.toContain(won.state.group!.epoch.secrets.initSecret);
  });
});

async function rotated(context: SessionContext, state: ConversationState): Promise<ConversationState> {
  return (await rotatePending(context, state)).state;
}

/** As if `made` were what this device wants in the log. */
function withPending(state: ConversationState, made: Commit): ConversationState {
  const hash = Buffer.from(provider.hashes["SHA-256"].digest(made.commit)).toString("base64url");
  return { ...state, pending: { ...state.pending!, commit: made.commit, next: made.next, hash } };
}

/** Alice has created a conversation; Bob has the Welcome. */
async function invitedCouple(): Promise<{
  readonly log: TestLog;
  readonly alice: SessionContext;
  readonly bob: SessionContext;
  readonly created: ConversationState;
  readonly invitation: Invitation;
}> {
  const { log, alice, bob } = await couple();
  log.entries.splice(0);
  log.turn = 0;
  const keyPackage = await keyPackageOf(bob);
  const fresh = newConversation(directConversationId(provider, "alice", "bob"), ["alice", "bob"]);
  const claimed = { account: "bob", device: bob.device, claim: "c", keyPackage: keyPackage.bytes };
  const { state } = await createPending(alice, fresh, [claimed], now);
  const { commit, welcomes } = state.pending!;
  log.commit(commit, "alice", { add: ["alice", "bob"] });
  const { welcome } = welcomes[0]!;
  const invitation = { conversation: fresh.id, seq: 1, turn: 1, at: now, welcome, tree: undefined, keyPackage };
  return { log, alice, bob, created: (await apply(alice, state, log.entries)).state, invitation };
}
