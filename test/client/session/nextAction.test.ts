/** What a conversation does next, rule by rule: Alice's view of a group in which she is the owner, and Bob's. */
import {
  newConversation,
  type ConversationState,
  type Intent,
  type OutboxItem,
} from "../../../client/src/session/conversation.ts";
import { plainData } from "../../../client/src/session/group/groupData.ts";
import { leavesOf } from "../../../client/src/session/group/group.ts";
import { leavePending } from "../../../client/src/session/leaving.ts";
import {
  isFollowed,
  nextAction,
  type Action,
  type Decision,
  type Situation,
} from "../../../client/src/session/nextAction.ts";
import { changePending } from "../../../client/src/session/pendingCommit.ts";
import { couple, groupOfTwo, now, type Couple } from "../support/devices.ts";

let pair: Couple;
let open: ConversationState;
beforeAll(async () => {
  pair = await couple(groupOfTwo);
  open = { ...pair.atAlice, repair: undefined };
});

const direct = `d-${"A".repeat(43)}`;
const message: OutboxItem = { number: 1, id: "m", text: "hello", sentAt: now };
const rename: Intent = { id: "i", kind: "describe", title: "Lunch" };
const rotate: Intent = { id: "r", kind: "rotate" };
const due = { attempts: 0, due: now, after: 0 };

/** The device's own clock is an hour behind the relay's. */
const clock = now - 3_600_000;

function situation(more: Partial<Situation> = {}): Situation {
  return {
    self: "alice",
    isLinked: false,
    isUp: true,
    now: clock,
    relayNow: now,
    isAwaited: false,
    mustRead: false,
    waits: undefined,
    readsLater: false,
    isBlocked: () => false,
    tidyAt: undefined,
    notTakenBack: new Set(),
    ...more,
  };
}

function next(state: Partial<ConversationState>, more?: Partial<Situation>): Decision {
  return nextAction({ ...open, ...state }, situation(more));
}

function act(action: Action): Decision {
  return { kind: "act", action };
}

const rest: Decision = { kind: "rest" };

describe("without something to do", () => {
  it.each<[string, Partial<ConversationState>, Partial<Situation>]>([
    ["there is none", {}, {}],
    ["there is no connection", { outbox: [message] }, { isUp: false, mustRead: true }],
    ["the conversation has ended", { phase: "ended", outbox: [message] }, { mustRead: true }],
    ["nobody has accepted it", { requestBy: "bob", outbox: [message], intents: [rename] }, {}],
  ])("it rests: %s", (_, state, more) => {
    expect(next(state, more)).toEqual(rest);
  });
});

describe("the log", () => {
  it.each<[string, Partial<ConversationState>, Partial<Situation>, Decision]>([
    ["is read before anything is sent", { outbox: [message], intents: [rename] }, {}, act("read")],
    ["of a request is read as well", { requestBy: "bob" }, {}, act("read")],
    ["of what is wanted may show it already", { phase: "opening" }, {}, act("read")],
    ["is read before a retry of something else", {}, { waits: "retry" }, act("read")],
    ["is not read before the retry of reading", {}, { waits: "retry", readsLater: true }, rest],
    ["is not read while a doorbell is to bring it", {}, { waits: "chance", readsLater: true }, rest],
    ["is read at once where nothing is waited for", {}, { readsLater: true }, act("read")],
    ["is read though an identity changed", {}, { isBlocked: () => true }, act("read")],
  ])("%s", (_, state, more, expected) => {
    expect(next(state, { mustRead: true, ...more })).toEqual(expected);
  });

  it("is followed by those alone who can", () => {
    const followed = (["opening", "awaitingWelcome", "open", "stuck", "ended"] as const).filter((phase) =>
      isFollowed({ ...open, phase }),
    );
    expect(followed).toEqual(["opening", "open"]);
  });
});

describe("what waits", () => {
  it("nothing is sent while an identity has changed", () => {
    expect(next({ outbox: [message] }, { isBlocked: () => true })).toEqual({ kind: "blocked" });
  });

  it.each<[string, Partial<ConversationState>, Partial<Situation>]>([
    ["has not accepted", { requestBy: "bob" }, {}],
    ["waits for an identity to be accepted", {}, { isBlocked: () => true }],
  ])("whoever wants to go may, though the user %s", async (_, state, more) => {
    const { leaving } = (await leavePending(pair.alice, open)).state;
    const leave: Intent = { id: "l", kind: "leave" };
    expect(next({ ...state, intents: [rename, leave] }, more)).toEqual(act("leave"));
    expect(next({ ...state, intents: [rename, leave], leaving }, more)).toEqual(act("propose"));
    expect(next({ ...state, intents: [leave], unlisted: ["alice"] }, more)).toEqual(act("lookAgain"));
    expect(next({ ...state, intents: [leave] }, { ...more, waits: "retry" })).toEqual(rest);
    // Nobody goes elsewhere to leave what they have not accepted.
    const long = { attempts: 6, due: now, after: 0 };
    expect(next({ ...state, intents: [leave], unlisted: ["alice"], repair: long }, more)).toEqual(act("lookAgain"));
    expect(next({ ...state, phase: "stuck", repair: long, intents: [leave] }, more)).toEqual(act("askForRepair"));
    expect(next({ phase: "stuck", repair: long, intents: [leave] })).toEqual(act("succeed"));
    const wish = { intent: "i", adds: [], removes: [], data: undefined };
    const { pending } = (await changePending(pair.alice, open, wish, now)).state;
    expect(next({ ...state, intents: [leave], pending }, more)).toEqual(act("land"));
    // Who cannot follow has to be put in anew first.
    expect(next({ ...state, phase: "stuck", repair: due }, more)).toEqual(rest);
    expect(next({ ...state, phase: "stuck", repair: due, intents: [leave] }, more)).toEqual(act("askForRepair"));
  });

  it("goes in order: the own commit, the own leaving, what is wanted, messages", async () => {
    const { alice } = pair;
    const wish = { intent: "i", adds: [], removes: [], data: undefined };
    const { state: withPending } = await changePending(alice, open, wish, now);
    const { state: withLeaving } = await leavePending(alice, open);
    const { pending } = withPending;
    const { leaving } = withLeaving;
    const waiting = { intents: [rename], outbox: [message] };
    expect(pending).toBeDefined();
    expect(leaving).toBeDefined();
    expect(next({ ...waiting, pending, leaving })).toEqual(act("land"));
    expect(next({ ...waiting, leaving })).toEqual(act("propose"));
    expect(next(waiting)).toEqual(act("intend"));
    expect(next({ outbox: [message] })).toEqual(act("append"));
  });

  it("a conversation that nobody has created is created", () => {
    const wanted = newConversation("g", ["alice", "bob"]);
    expect(nextAction(wanted, situation())).toEqual(act("create"));
    expect(nextAction(wanted, situation({ waits: "retry" }))).toEqual(rest);
  });

  it.each<[string, Partial<ConversationState>, Partial<Situation>, Decision]>([
    ["messages go while the own renewal waits its chance", { intents: [rotate] }, {}, act("append")],
    ["not while what changes the group does", { intents: [rotate, rename] }, {}, rest],
    ["not after a failure", { intents: [rotate] }, { waits: "retry" }, rest],
    ["not while somebody is to be taken back", { intents: [rotate], justDropped: ["bob"] }, {}, rest],
    ["not of whom the relay does not serve", { intents: [rotate], unlisted: ["alice"] }, {}, rest],
  ])("%s", (_, state, more, expected) => {
    expect(next({ outbox: [message], ...state }, { waits: "chance", ...more })).toEqual(expected);
  });
});

describe("tidying up", () => {
  const untidy = { droppedBy: "mallory" };

  it("is done at once by whoever wants to send", () => {
    expect(next({ ...untidy, outbox: [message] })).toEqual(act("tidy"));
    expect(next({ ...untidy, intents: [rename] })).toEqual(act("tidy"));
  });

  it("is left to chance among the others, and to those first who may remove members", () => {
    expect(next(untidy)).toEqual({ kind: "draw", start: 0, span: 1_000 });
    const bobs = nextAction({ ...pair.atBob, ...untidy }, situation({ self: "bob" }));
    expect(bobs).toEqual({ kind: "draw", start: 1_000, span: 3_000 });
  });

  it("waits for the time that chance has said", () => {
    expect(next(untidy, { tidyAt: clock + 1 })).toEqual({ kind: "wake", at: clock + 1 });
    expect(next(untidy, { tidyAt: clock })).toEqual(act("tidy"));
  });

  it("takes back whom the relay does not serve, in the same way, unless that was tried", () => {
    const lost = { unlisted: ["bob"] };
    expect(leavesOf(open.group!)).toHaveLength(2);
    expect(next(lost)).toEqual({ kind: "draw", start: 0, span: 1_000 });
    expect(next(lost, { tidyAt: clock })).toEqual(act("takeBack"));
    expect(next({ ...lost, outbox: [message] })).toEqual(act("takeBack"));
    expect(next(lost, { notTakenBack: new Set(["bob"]) })).toEqual(rest);
    expect(next({ ...lost, ...untidy }, { tidyAt: clock })).toEqual(act("tidy"));
  });
});

describe("whom the relay does not serve", () => {
  const unserved = { unlisted: ["alice"], outbox: [message] };

  it.each<[string, Partial<ConversationState>, Decision]>([
    ["looks whether it was taken back", {}, act("lookAgain")],
    ["waits between two looks", { repair: { ...due, due: now + 500 } }, { kind: "wake", at: clock + 500 }],
    ["looks four times", { repair: { ...due, attempts: 3 } }, act("lookAgain")],
    ["then goes on elsewhere", { repair: { ...due, attempts: 4 } }, act("succeed")],
    [
      "not with more than fifty",
      { repair: { ...due, attempts: 4 }, roster: Array.from({ length: 51 }, (_, i) => `member-${i}`) },
      act("lookAgain"),
    ],
    [
      "nor without end",
      { repair: { ...due, attempts: 4 }, data: { ...plainData, owners: ["alice"], generation: 16 } },
      act("lookAgain"),
    ],
    [
      "nor where it did that itself, and may not invite",
      { repair: { ...due, attempts: 4 }, suspended: ["alice"], data: { ...plainData, owners: ["bob"] } },
      act("lookAgain"),
    ],
    ["commits where it may mend that itself", { justDropped: ["alice"] }, act("tidy")],
  ])("%s", (_, state, expected) => {
    expect(next({ ...unserved, ...state })).toEqual(expected);
  });
});

describe("a device that was left out", () => {
  const waiting = { phase: "awaitingWelcome" } as const;

  it.each<[string, Partial<ConversationState>, Partial<Situation>, Decision]>([
    ["looks for its Welcome", {}, {}, act("findWelcome")],
    ["again where somebody waits for it", { repair: due }, { isAwaited: true }, act("findWelcome")],
    ["else asks to be put in", { repair: due }, {}, act("askForRepair")],
    ["nothing while it waits", { repair: due }, { isAwaited: true, waits: "retry" }, rest],
  ])("%s", (_, state, more, expected) => {
    expect(next({ ...waiting, ...state }, more)).toEqual(expected);
  });

  it("waits for its account's other devices where it was linked, and else goes on elsewhere after one request", () => {
    const wanted = { ...newConversation(direct, ["alice", "bob"]), ...waiting, repair: { ...due, attempts: 1 } };
    expect(nextAction(wanted, situation())).toEqual(act("succeed"));
    expect(nextAction(wanted, situation({ isLinked: true }))).toEqual(act("askForRepair"));
    const tried = { ...wanted, repair: { ...due, attempts: 6 } };
    expect(nextAction(tried, situation({ isLinked: true }))).toEqual(act("succeed"));
  });
});

describe("a device that cannot follow", () => {
  it.each<[string, Partial<ConversationState>, Partial<Situation>, Decision]>([
    ["asks to be put in anew", { repair: due }, { mustRead: true }, act("askForRepair")],
    ["waits between two requests", { repair: { ...due, due: now + 1 } }, {}, { kind: "wake", at: clock + 1 }],
    ["asks nobody while an identity has changed", { repair: due }, { isBlocked: () => true }, rest],
    ["nor for what nobody has accepted", { repair: due, requestBy: "bob" }, {}, rest],
    ["nor before a retry is due", { repair: due }, { waits: "retry" }, rest],
    ["has nothing to ask for", {}, {}, rest],
    ["asks six times in a group", { repair: { ...due, attempts: 5 } }, {}, act("askForRepair")],
    ["then goes on elsewhere", { repair: { ...due, attempts: 6 } }, {}, act("succeed")],
    ["asks once in a direct conversation", { log: direct, repair: due }, {}, act("askForRepair")],
    ["and goes on elsewhere", { log: direct, repair: { ...due, attempts: 1 } }, {}, act("succeed")],
    [
      "with more than fifty it asks on",
      { repair: { ...due, attempts: 6 }, roster: Array.from({ length: 51 }, (_, i) => `member-${i}`) },
      {},
      act("askForRepair"),
    ],
    [
      "unless somebody who runs the group wants it to go on elsewhere",
      {
        repair: { ...due, attempts: 6, elsewhere: true },
        roster: Array.from({ length: 51 }, (_, i) => `member-${i}`),
      },
      {},
      act("succeed"),
    ],
    [
      "asks on where it has gone on too often",
      { repair: { ...due, attempts: 6 }, data: { ...plainData, generation: 16 } },
      {},
      act("askForRepair"),
    ],
  ])("%s", (_, state, more, expected) => {
    expect(next({ phase: "stuck", ...state }, more)).toEqual(expected);
  });
});

describe("a device that its user alone wants put in anew", () => {
  const wished = { ...due, wished: true as const };

  it.each<[string, Partial<ConversationState>, Partial<Situation>, Decision]>([
    ["asks six times in a group", { repair: { ...wished, attempts: 5 } }, {}, act("askForRepair")],
    ["then waits", { repair: { ...wished, attempts: 6, due: now + 1 } }, {}, { kind: "wake", at: clock + 1 }],
    ["and reads on", { repair: { ...wished, attempts: 6 } }, {}, act("followAgain")],
    ["or once the relay says that it is out", { repair: { ...wished, refused: 1 } }, {}, act("followAgain")],
    ["or where it may not ask", { repair: wished }, { isBlocked: () => true }, act("followAgain")],
    ["or has not accepted", { repair: wished, requestBy: "bob" }, {}, act("followAgain")],
    ["or wants to leave", { repair: wished, intents: [{ id: "l", kind: "leave" }] }, {}, act("followAgain")],
    [
      "goes on elsewhere in a direct conversation",
      { log: direct, repair: { ...wished, attempts: 1 } },
      {},
      act("succeed"),
    ],
    [
      "has nowhere to read on before it is in",
      { phase: "awaitingWelcome", repair: { ...wished, refused: 1 } },
      {},
      act("askForRepair"),
    ],
  ])("%s", (_, state, more, expected) => {
    expect(next({ phase: "stuck", ...state }, more)).toEqual(expected);
  });
});
