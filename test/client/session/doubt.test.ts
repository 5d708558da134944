/** Whether a device is where the others are: what counts as a sign, when it asks, who answers, and whose word it then takes. */
import { createCommit, createMessage } from "@tacit/mls";
import { answerRepair } from "../../../client/src/inbox/answerRepair.ts";
import type { Connection } from "../../../client/src/connection/connection.ts";
import type { ConversationBook } from "../../../client/src/conversation/conversationBook.ts";
import type { LiveConversation } from "../../../client/src/conversation/liveConversation.ts";
import type { Clock } from "../../../client/src/ports.ts";
import { logDiffers } from "../../../client/src/session/reading/logChain.ts";
import { authentication } from "../../../client/src/session/group/authenticate.ts";
import { encodeCommitData } from "../../../client/src/session/reading/commitData.ts";
import type { ConversationState, SessionContext } from "../../../client/src/session/conversation.ts";
import {
  askedInDoubt,
  isInDoubt,
  leftBehind,
  noDoubt,
  successorToName,
} from "../../../client/src/session/repair/doubt.ts";
import { identities, type Group } from "../../../client/src/session/group/group.ts";
import { nextAction } from "../../../client/src/session/nextAction.ts";
import {
  createRepairRequest,
  isToBeReadmitted,
  openRepairRequest,
} from "../../../client/src/session/repair/repairRequest.ts";
import { followingAgain, wantRepair } from "../../../client/src/session/repair/wantRepair.ts";
import { createIdentity, enrol } from "../../../client/src/session/identity/identity.ts";
import type { LogMark } from "../../../client/src/session/content.ts";
import {
  apply,
  couple,
  device,
  groupOfTwo,
  joinByWelcome,
  now,
  provider,
  rotatePending,
  sealed,
  suite,
  type Couple,
} from "../support/devices.ts";
import { accountKey, deviceUnder, forgedInvitation, party } from "../support/forger.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A commit that only its maker follows: the group after it. */
async function alone(by: SessionContext, group: Group, turn: number) {
  return createCommit(group, {
    authentication: authentication(by),
    forcePath: true,
    authenticatedData: encodeCommitData({ turn, add: [], remove: [], blobs: [], log: undefined }),
  });
}

async function messageIn(group: Group): Promise<{ readonly group: Group; readonly message: Uint8Array }> {
  const { message, state } = await createMessage(group, utf8("whatever"));
  return { group: state, message };
}

async function strangeAfter(
  { bob, atBob }: Couple,
  entries: Parameters<typeof apply>[2],
): Promise<ConversationState["doubt"]["strange"]> {
  return (await apply(bob, atBob, entries)).state.doubt.strange;
}

describe("a sign that the others are elsewhere", () => {
  it("is what names the group and cannot be opened: of a later epoch, of an earlier one, and of another of the same number", async () => {
    const pair = await couple(groupOfTwo);
    const { log, alice, atAlice } = pair;
    const next = await alone(alice, atAlice.group!, 1);
    const later = log.message((await messageIn(next.next)).message);
    expect(await strangeAfter(pair, [later])).toBe(1);
    // Bob is in an epoch of his own, which has the number of Alice's.
    const { bob, atBob } = pair;
    const [own, theirs] = [await alone(bob, atBob.group!, 1), next];
    const inOwn = { ...pair, atBob: { ...atBob, group: own.next } };
    const { message } = await messageIn(theirs.next);
    expect(
      await strangeAfter(
        inOwn,
        [log.message(message)].map((read) => follow(read, 1)),
      ),
    ).toBe(1);
    const old = (await messageIn(atAlice.group!)).message;
    expect(
      await strangeAfter(
        inOwn,
        [log.message(old)].map((read) => follow(read, 1)),
      ),
    ).toBe(1);
  });

  it("is a commit of another epoch that names its turn; neither noise, nor one of another turn or group", async () => {
    const pair = await couple(groupOfTwo);
    const { log, alice, atAlice } = pair;
    const next = await alone(alice, atAlice.group!, 1);
    const commit = async (group: Group, turn: number): Promise<Uint8Array> => (await alone(alice, group, turn)).commit;
    const shown = (bytes: Uint8Array): Parameters<typeof apply>[2] => {
      log.entries.splice(1);
      log.turn = 1;
      return [log.commit(bytes, "alice")];
    };
    expect(await strangeAfter(pair, shown(await commit(next.next, 1)))).toBe(1);
    expect(await strangeAfter(pair, shown(await commit(next.next, 7)))).toBe(0);
    expect(await strangeAfter(pair, shown(provider.random(300)))).toBe(0);
    const other = await couple({ ...groupOfTwo, id: `g-${"Z".repeat(22)}`, log: `g-${"Z".repeat(22)}` });
    expect(await strangeAfter(pair, shown(await commit(other.atAlice.group!, 1)))).toBe(0);
    // One that breaks a rule is void, and no sign of anything.
    shown(await commit(atAlice.group!, 1));
    const [{ entry, payload }] = log.entries.slice(1) as [(typeof log.entries)[number]];
    expect(await strangeAfter(pair, [{ entry: { ...entry, account: "nobody" } as typeof entry, payload }])).toBe(0);
  });

  it("is a commit whose turn leaves one out: the relay hid what came between", async () => {
    const pair = await couple(groupOfTwo);
    const { log, alice, atAlice } = pair;
    const first = (await rotatePending(alice, atAlice)).state;
    log.commit(first.pending!.commit, "alice");
    const second = (await rotatePending(alice, (await apply(alice, first, log.entries)).state)).state;
    const hidden = log.commit(second.pending!.commit, "alice");
    expect(await strangeAfter(pair, [follow(hidden, 1)])).toBe(1);
  });

  it("is no copy, and no message that is read", async () => {
    const pair = await couple(groupOfTwo);
    const { log, alice, atAlice } = pair;
    const { ciphertext } = await sealed(alice, atAlice, "once");
    const [once, again] = [log.message(ciphertext), log.message(ciphertext)];
    expect(await strangeAfter(pair, [once, again])).toBe(0);
  });
});

/** As if it came right after the entry `prev`. */
function follow<R extends Parameters<typeof apply>[2][number]>({ entry, payload }: R, prev: number): R {
  return { entry: { ...entry, prev }, payload } as R;
}

describe("a device in doubt", () => {
  const situation = {
    self: "bob",
    isUp: true,
    now,
    relayNow: now,
    isAwaited: false,
    isLinked: false,
    mustRead: false,
    waits: undefined,
    readsLater: false,
    isBlocked: () => false,
    tidyAt: undefined,
    notTakenBack: new Set<string>(),
  };

  it("asks after three signs, a little later, and goes on with what it does until then", async () => {
    const { log, alice, bob, atAlice, atBob } = await couple(groupOfTwo);
    let { next: later } = await alone(alice, atAlice.group!, 1);
    let state = atBob;
    for (let i = 1; i <= 3; i++) {
      expect(isInDoubt(state)).toBe(false);
      const made = await messageIn(later);
      later = made.group;
      state = (await apply(bob, state, [log.message(made.message)])).state;
    }
    expect(isInDoubt(state)).toBe(true);
    expect(state.doubt).toMatchObject({ strange: 3, after: 1, isAsking: false });
    const { due } = state.doubt;
    expect(due).toBeGreaterThan(now);
    expect(due).toBeLessThanOrEqual(now + 21_000);
    expect(nextAction(state, situation)).toEqual({ kind: "wake", at: due });
    const message = { number: 1, id: "m", text: "hello", sentAt: now };
    expect(nextAction({ ...state, outbox: [message] }, situation)).toEqual({ kind: "act", action: "append" });
    const then = { ...situation, relayNow: due };
    expect(nextAction({ ...state, outbox: [message] }, then)).toEqual({ kind: "act", action: "askInDoubt" });
    expect(nextAction({ ...state, requestBy: "alice" }, then)).toEqual({ kind: "rest" });
    const ended = { ...state, doubt: askedInDoubt(state.doubt, due) };
    expect(nextAction(ended, then)).toEqual({ kind: "rest" });
  });

  it("asks less and less often: six times a day at the most, however many signs come", async () => {
    const { log, alice, bob, atAlice, atBob } = await couple(groupOfTwo);
    const { message } = await messageIn((await alone(alice, atAlice.group!, 1)).next);
    const minute = 60_000;
    let state = atBob;
    const times: number[] = [];
    for (let at = now; at < now + 48 * 60 * minute; at += minute) {
      log.entries.splice(1);
      const { entry, payload } = log.message(message);
      const cleared = { ...state, cursor: 1, recent: [] };
      state = (await apply(bob, cleared, [{ entry: { ...entry, at }, payload }])).state;
      if (!isInDoubt(state) || state.doubt.due > at) continue;
      times.push(at);
      state = { ...state, doubt: askedInDoubt(state.doubt, at) };
    }
    const day = times.filter((at) => at < now + 24 * 60 * minute);
    expect(day.length).toBeGreaterThan(3);
    expect(day.length).toBeLessThanOrEqual(6);
    expect(times.length - day.length).toBeLessThanOrEqual(6);
  });
});

describe("an invitation to a successor that this device does not follow", () => {
  const next = `g-${"Q".repeat(22)}`;

  it("makes it ask, three times for one successor", async () => {
    const { bob, atBob } = await couple(groupOfTwo);
    let state = atBob;
    const named: (string | undefined)[] = [];
    for (let i = 0; i < 4; i++) {
      state = leftBehind(bob, state, next, now);
      named.push(isInDoubt(state) ? successorToName(state.doubt) : undefined);
      state = { ...state, doubt: askedInDoubt(state.doubt, now) };
    }
    expect(named).toEqual([next, next, next, undefined]);
    expect(successorToName(state.doubt)).toBeUndefined();
  });

  it("is asked for by a device that asked to be put in anew when it was passed over, once it reads on", async () => {
    const { bob, atBob } = await couple(groupOfTwo);
    const asking = wantRepair(atBob, "bob", now)!.state;
    const passedOver = leftBehind(bob, asking, `g-${"S".repeat(22)}`, now);
    expect(isInDoubt(followingAgain(bob, asking, now))).toBe(false);
    expect(isInDoubt(followingAgain(bob, passedOver, now))).toBe(true);
  });
});

describe("whoever is asked", () => {
  async function requestBytes(account: string, log: LogMark | undefined, successor?: string) {
    const identity = await enrol(provider, await createIdentity({ provider, suite }), account, now);
    const { certificate } = identity.enrolment;
    const body = { conversation: groupOfTwo.id, at: now, log, successor };
    return createRepairRequest(provider, { certificate, deviceKey: identity.deviceKey }, body);
  }
  async function request(account: string, log: LogMark | undefined, successor?: string) {
    return (await openRepairRequest(provider, await requestBytes(account, log, successor)))!;
  }
  const markOf = ({ cursor, chain }: ConversationState): LogMark => {
    return { seq: cursor, hash: Buffer.from(chain!).toString("base64url") };
  };

  it("reads on first, unless that waits for a Welcome that may be behind the request", async () => {
    const { alice, atAlice } = await couple(groupOfTwo);
    const bytes = await requestBytes("bob", { seq: atAlice.cursor + 1, hash: "A".repeat(43) });
    const readFor = async (phase: ConversationState["phase"]): Promise<boolean> => {
      let hasRead = false;
      const catchUp = (): Promise<undefined> => ((hasRead = true), Promise.resolve(undefined));
      const conversation = { snapshot: { ...atAlice, phase }, catchUp } as unknown as LiveConversation;
      const book = { inLog: () => conversation } as unknown as ConversationBook;
      const clock = { after: () => () => {} } as unknown as Clock;
      const connection = { now: () => now } as Connection;
      await answerRepair({ clock, connection, context: () => alice }, { book, report: () => {} }, bytes);
      return hasRead;
    };
    expect(await readFor("open")).toBe(true);
    expect(await readFor("awaitingWelcome")).toBe(false);
  });

  it("puts in anew who read the log otherwise, or cannot follow at all; not who read it alike, or further", async () => {
    const { log, alice, bob, atAlice, atBob } = await couple(groupOfTwo);
    const made = (await rotatePending(alice, atAlice)).state;
    const { entry, payload } = log.commit(made.pending!.commit, "alice");
    const inStep = await apply(alice, made, log.entries);
    const misled = await apply(bob, atBob, [{ entry: { ...entry, account: "nobody" } as typeof entry, payload }]);
    const followed = await apply(bob, atBob, log.entries);
    const asked = await request("bob", undefined);
    const own = { account: "alice", device: alice.device };
    const isServed = (mark: LogMark | undefined): boolean => {
      const certificate = { ...asked.certificate, device: bob.device, accountKey: keyOf(atAlice, bob) };
      return isToBeReadmitted(inStep.state, { ...asked, log: mark, certificate }, own, now);
    };
    expect(isServed(undefined)).toBe(true);
    expect(isServed(markOf(misled.state))).toBe(true);
    expect(isServed(markOf(followed.state))).toBe(false);
    expect(isServed(markOf(atBob))).toBe(false);
    expect(isServed({ ...markOf(misled.state), seq: 3 })).toBe(false);
  });

  it("takes along into a successor who was invited there and did not follow, where it is in it", async () => {
    const { alice, bob, atAlice } = await couple(groupOfTwo);
    const next = `g-${"Q".repeat(22)}`;
    const asked = await request("bob", { seq: 1, hash: Buffer.alloc(32).toString("base64url") }, next);
    expect(asked.successor).toBe(next);
    const certificate = { ...asked.certificate, device: bob.device, accountKey: keyOf(atAlice, bob) };
    const answers = (log: string): boolean =>
      isToBeReadmitted({ ...atAlice, log }, { ...asked, certificate }, { account: "alice", device: alice.device }, now);
    expect(["elsewhere", next].map(answers)).toEqual([false, true]);
  });

  it("sees what the request says of the log, and no request that is not what it should be", async () => {
    const mark = { seq: 7, hash: Buffer.from(provider.random(32)).toString("base64url") };
    expect((await request("bob", mark)).log).toEqual(mark);
    expect((await request("bob", undefined)).log).toBeUndefined();
    expect(await request("bob", { seq: -1, hash: "" })).toBeUndefined();
  });
});

function keyOf(state: ConversationState, { device: id }: SessionContext): string {
  for (const leaf of identities(state.group!)) if (leaf.device === id) return leaf.accountKey;
  throw new Error("no such device");
}

describe("the word of whoever answers", () => {
  const id = `g-${"P".repeat(22)}`;

  async function doubting() {
    const [alice, carol] = [
      await deviceUnder(await accountKey(), "alice"),
      await deviceUnder(await accountKey(), "carol"),
    ];
    const { states } = await party([alice, carol]);
    const [, atCarol] = states as [ConversationState, ConversationState];
    const doubt = { ...noDoubt, after: atCarol.cursor, isAsking: true, asked: [now] };
    // It has read on, in its own way.
    const reading = { ...atCarol, cursor: 40, turn: 9, doubt };
    return { alice, carol, reading };
  }

  it("counts where this device asked: it reads anew from there", async () => {
    const { alice, carol, reading } = await doubting();
    const seen = [2, 30, 35].map((seq) => ({ seq, hash: `h${seq}`, chain: undefined, afterGap: false }));
    const forged = await forgedInvitation(alice, carol, { id, epochs: 2, seq: 30, turn: 8 });
    const joined = await joinByWelcome(carol, { ...reading, recent: seen }, forged);
    if (joined.kind !== "joined") throw new Error(joined.kind);
    const { state, items } = joined.step;
    expect(state).toMatchObject({ cursor: 29, joinedAt: 30, turn: 8, doubt: { ...noDoubt, asked: [now] } });
    expect(state.recent.map(({ seq }) => seq)).toEqual([2, 30]);
    // What comes right behind that commit may be rung for first: its sender, who has read the commit, is accused of nothing.
    const rung = { seq: 31, hash: "h31", chain: undefined, afterGap: false };
    expect(logDiffers(state, { seq: 30, hash: "of whoever read it" }, rung)).toBe(false);
    expect(logDiffers(state, { seq: 29, hash: "of an entry that this device was not shown" }, rung)).toBe(true);
    expect(state.restored).toEqual([now]);
    expect(items).toMatchObject([{ kind: "rejoined", by: "alice", after: 1, successor: false }]);
  });

  it("does not where it did not ask, where it would lead back, or from somebody who was not in", async () => {
    const { alice, carol, reading } = await doubting();
    const invited = async (known: ConversationState, more: object, by = alice): Promise<string> => {
      const forged = await forgedInvitation(by, carol, { id, epochs: 2, seq: 30, turn: 8, ...more });
      return (await joinByWelcome(carol, known, forged)).kind;
    };
    expect(await invited({ ...reading, doubt: { ...reading.doubt, isAsking: false } }, {})).toBe("member");
    expect(await invited({ ...reading, doubt: noDoubt }, {})).toBe("member");
    expect(await invited(reading, { epochs: 1 })).toBe("member");
    expect(await invited(reading, { seq: 1 })).toBe("member");
    expect(await invited(reading, {}, await device("mallory"))).toBe("member");
    expect(await invited(reading, {}, await device("alice"))).toBe("member");
    // More epochs than there were turns: nothing that comes later would ever lead on.
    expect(await invited(reading, { epochs: 9 })).toBe("foreign");
  });
});
