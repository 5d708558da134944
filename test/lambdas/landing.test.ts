/** Creating conversations and committing to them. */
import { directConversationName, limits } from "@tacit/protocol";
import { randomId, sha256 } from "../../bench/rawDevice.ts";
import {
  ask,
  commitOf,
  creation,
  group,
  keyPackage,
  message,
  newStage,
  payload,
  person,
  pushes,
  welcomeFor,
} from "./stage.ts";

async function trio() {
  const stage = newStage();
  const alice = await person(stage, "alice");
  const bob = await person(stage, "bob");
  const carol = await person(stage, "carol");
  return { stage, alice, bob, carol };
}

const directName = (generation = 0, accounts: readonly [string, string] = ["alice", "bob"]) =>
  `d-${sha256(directConversationName(accounts, generation))}`;

describe("createConversation", () => {
  test("once; a repetition is told the same, also after more has happened", async () => {
    const { alice, bob } = await trio();
    const request = creation([alice, bob]);
    const first = await ask(alice, "createConversation", request);
    expect(first.ok).toMatchObject({ id: request.entry, seq: 1, turn: 0 });
    await ask(alice, "append", { conversation: request.conversation, turn: 1, entries: [message()] });
    await ask(bob, "commit", commitOf(request.conversation));
    expect((await ask(alice, "createConversation", request)).ok).toEqual(first.ok);
    const { error } = await ask(bob, "createConversation", { ...request, entry: randomId() });
    expect(error).toMatchObject({ code: "conversation_exists", head: { seq: 3, turn: 2 } });
  });

  test("a repetition is told the same where the entry has expired", async () => {
    const { stage, alice, bob } = await trio();
    const request = creation([alice, bob]);
    const first = await ask(alice, "createConversation", request);
    await ask(alice, "append", { conversation: request.conversation, turn: 1, entries: [message()] });
    stage.memory.tables.log.get(request.conversation)!.clear();
    expect((await ask(alice, "createConversation", request)).ok).toEqual(first.ok);
  });

  test("a stranger who guesses the name is told nothing of it", async () => {
    const { alice, bob, carol } = await trio();
    const request = creation([alice, bob]);
    await ask(alice, "createConversation", request);
    const { error } = await ask(carol, "createConversation", { ...request, roster: ["carol"], entry: randomId() });
    expect(error?.code).toBe("conversation_exists");
    expect(error?.head).toBeUndefined();
  });

  test.each([
    ["a direct conversation under another name", { conversation: `d-${sha256("x")}` }],
    ["a direct conversation of another generation", { conversation: directName(1) }],
    ["a direct conversation of three", { conversation: directName(), roster: ["alice", "bob", "carol"] }],
    ["a direct conversation of one", { conversation: directName(), roster: ["alice"] }],
    ["without the caller", { roster: ["bob", "carol"] }],
    ["an account twice", { roster: ["alice", "bob", "bob"] }],
  ])("%s: invalid_roster", async (_title, more) => {
    const { alice, bob } = await trio();
    expect((await ask(alice, "createConversation", { ...creation([alice, bob]), ...more })).error?.code).toBe(
      "invalid_roster",
    );
  });

  test("a successor takes accounts along, and brings none in", async () => {
    const { alice, bob, carol } = await trio();
    const predecessor = await group([alice, bob]);
    const successor = { ...creation([alice, bob]), generation: 1, predecessor };
    const code = async (device: typeof alice, more: object) =>
      (await ask(device, "createConversation", { ...successor, ...more })).error?.code;
    expect(await code(carol, { roster: ["carol"] })).toBe("not_a_member");
    expect(await code(alice, { roster: ["alice", "carol"] })).toBe("invalid_roster");
    expect(await code(alice, { generation: 2 })).toBe("malformed");
    expect(await code(alice, { predecessor: `g-${randomId()}` })).toBe("not_a_member");
    expect(await code(alice, {})).toBeUndefined();
  });

  test("a direct conversation and its successor", async () => {
    const { alice, bob } = await trio();
    const first = { ...creation([alice, bob], bob), conversation: directName() };
    expect((await ask(bob, "createConversation", first)).ok).toBeDefined();
    const second = { ...creation([alice, bob]), conversation: directName(1), generation: 1, predecessor: directName() };
    expect((await ask(alice, "createConversation", second)).ok).toBeDefined();
    // Its two stay.
    for (const change of [{ add: ["carol"] }, { remove: ["bob"] }]) {
      expect((await ask(alice, "commit", commitOf(directName(), change))).error?.code).toBe("invalid_roster");
    }
    const leave = { conversation: directName(), turn: 1, entry: randomId(), payload: payload(), leave: true };
    expect((await ask(bob, "propose", leave)).error?.code).toBe("invalid_roster");
  });
});

describe("propose", () => {
  test("a request to leave is no blob: it is shown for longer than that is kept", async () => {
    const { stage, alice, bob } = await trio();
    const conversation = await group([alice, bob]);
    const hash = sha256("a request");
    stage.memory.tables.blobs.set(`staging/${hash}`, { size: 9, modified: stage.now });
    const leave = { conversation, turn: 1, entry: randomId(), payload: { blob: { hash, size: 9 } }, leave: true };
    expect((await ask(bob, "propose", leave)).error?.code).toBe("malformed");
    expect((await ask(bob, "propose", { ...leave, leave: false })).ok).toBeDefined();
  });
});

describe("commit", () => {
  test("that does not know who left is refused, as long as that can be read", async () => {
    const { stage, alice, bob, carol } = await trio();
    const conversation = await group([alice, bob, carol]);
    const leave = { conversation, turn: 1, entry: randomId(), payload: payload(), leave: true };
    const left = (await ask(bob, "propose", leave)).ok!;
    const early = commitOf(conversation, { after: left.seq - 1 });
    expect((await ask(alice, "commit", early)).error?.code).toBe("invalid_roster");
    const late = commitOf(conversation, { after: left.seq });
    expect((await ask(alice, "commit", late)).ok).toBeDefined();
    // Also where the request has expired: whoever reads is shown it, for a year.
    const last = { ...leave, turn: 2, entry: randomId() };
    const { seq } = (await ask(carol, "propose", last)).ok!;
    const blind = commitOf(conversation, { turn: 2, after: seq - 1 });
    expect((await ask(alice, "commit", blind)).error?.code).toBe("invalid_roster");
    const entries = stage.memory.tables.log.get(conversation)!;
    const beside = stage.memory.tables.log.get(`${conversation}/leaves`)!;
    for (const table of [entries, beside]) table.set(seq, { ...table.get(seq)!, expires: 0 });
    expect((await ask(alice, "commit", blind)).error?.code).toBe("invalid_roster");
    beside.set(seq, { ...beside.get(seq)!, ttl: Math.floor(stage.now / 1_000) });
    expect((await ask(alice, "commit", blind)).ok).toBeDefined();
  });

  test("ends the turn, changes the roster, rings who is in, was in, and comes in", async () => {
    const { stage, alice, bob, carol } = await trio();
    const conversation = await group([alice, bob]);
    const request = commitOf(conversation, {
      add: ["carol"],
      remove: ["bob"],
      welcomes: [welcomeFor(carol, alice)],
    });
    expect((await ask(alice, "commit", request)).ok).toMatchObject({ id: request.entry, seq: 2, turn: 1 });
    expect(await stage.relay.conversations.get(conversation)).toMatchObject({ turn: 2, roster: ["alice", "carol"] });
    expect(pushes(bob, "entries").at(-1)).toMatchObject({ conversation, seq: 2 });
    // Who comes in finds all that is needed behind the Welcome.
    expect([pushes(carol, "inbox").length, pushes(carol, "entries").length]).toEqual([1, 0]);
    expect((await ask(bob, "commit", commitOf(conversation, { turn: 2 }))).error?.code).toBe("not_a_member");
    expect((await ask(carol, "commit", commitOf(conversation, { turn: 2 }))).ok?.seq).toBe(3);
  });

  test("of two on one turn one lands; the loser learns the head, the winner the same again", async () => {
    const { alice, bob } = await trio();
    const conversation = await group([alice, bob]);
    const requests = [commitOf(conversation), commitOf(conversation)] as const;
    const [first, second] = await Promise.all([ask(alice, "commit", requests[0]), ask(bob, "commit", requests[1])]);
    const won = first.ok === undefined ? ([bob, requests[1], second] as const) : ([alice, requests[0], first] as const);
    expect([first, second].filter(({ ok }) => ok)).toHaveLength(1);
    expect([first, second].find(({ error }) => error)?.error).toMatchObject({
      code: "stale",
      head: { seq: 2, turn: 2 },
    });
    expect((await ask(won[0], "commit", won[1])).ok).toEqual(won[2].ok);
  });

  test("a roster has an end", async () => {
    const { stage, alice, carol } = await trio();
    const conversation = await group([alice]);
    const full = Array.from({ length: limits.roster }, (_, i) => (i === 0 ? "alice" : `a${i}`));
    const current = stage.memory.tables.conversations.get(conversation)!;
    stage.memory.tables.conversations.set(conversation, { ...current, roster: full });
    const one = (await ask(alice, "commit", commitOf(conversation, { add: ["new"] }))).error;
    expect(one?.code).toBe("limit_exceeded");
    const welcomes = [welcomeFor(carol, alice)];
    const replacing = commitOf(conversation, { add: ["carol"], remove: ["a1"], welcomes });
    expect((await ask(alice, "commit", replacing)).ok).toBeDefined();
  });

  test("Welcomes land with it, ring the inbox, and need claims of the caller's account", async () => {
    const { stage, alice, bob, carol } = await trio();
    await ask(carol, "publishKeyPackages", { keyPackages: [keyPackage(1), keyPackage(2)] });
    const conversation = await group([alice, bob]);
    const claim = async (device: typeof alice) =>
      (await ask(device, "claimKeyPackages", { account: "carol" })).ok!.keyPackages[0]!;
    const [own, bobs] = [await claim(alice), await claim(bob)];
    const welcome = (of: { claim: string }) => ({ device: carol.caller.device, claim: of.claim, payload: payload(9) });
    const commit = (welcomes: ReturnType<typeof welcome>[]) => commitOf(conversation, { add: ["carol"], welcomes });

    expect((await ask(alice, "commit", commit([welcome(own), welcome(bobs)]))).error?.code).toBe(
      "key_package_not_claimed",
    );
    expect((await ask(alice, "commit", commit([welcome(own), welcome(own)]))).error?.code).toBe("malformed");
    expect((await ask(carol, "readInbox", {})).ok?.items).toEqual([]);
    expect((await ask(alice, "commit", commit([welcome(own)]))).ok).toBeDefined();
    expect(pushes(carol, "inbox")).toHaveLength(1);
    const { items } = (await ask(carol, "readInbox", {})).ok!;
    expect(items).toMatchObject([{ conversation, seq: 2, turn: 2, keyPackage: own.hash, payload: payload(9) }]);
    // What the other claimed is not used up.
    expect(stage.memory.tables.inbox.get(carol.caller.device)!.get(bobs.claim)?.welcome).toBeUndefined();
    // Somebody else's inbox is nobody's business.
    expect((await ask(bob, "acknowledgeInbox", { ids: [own.claim] })).ok).toEqual({});
    expect((await ask(carol, "readInbox", {})).ok?.items).toHaveLength(1);
  });
});

describe("nobody comes in unasked", () => {
  test("into a new conversation, or by a commit: each is welcomed on one device at least", async () => {
    const { stage, alice, bob, carol } = await trio();
    const request = creation([alice, bob, carol]);
    const [ofBob, ofCarol] = request.welcomes;
    for (const more of [
      { welcomes: [] },
      { welcomes: [ofBob!] },
      { welcomes: [ofBob!, { ...ofCarol!, device: bob.caller.device }] },
      { roster: ["alice", "bob", "carol", "nobody"] },
    ]) {
      const { error } = await ask(alice, "createConversation", { ...request, ...more });
      expect(error?.code).toBe("key_package_not_claimed");
    }
    const conversation = await group([alice]);
    const commit = commitOf(conversation, { add: ["bob"] });
    expect((await ask(alice, "commit", commit)).error?.code).toBe("key_package_not_claimed");
    expect([...pushes(bob, "entries"), ...pushes(carol, "entries")]).toEqual([]);
    expect((await ask(alice, "createConversation", request)).ok).toBeDefined();
    expect((await ask(alice, "commit", { ...commit, welcomes: [welcomeFor(bob, alice)] })).ok).toBeDefined();
    expect(await stage.relay.conversations.get(conversation)).toMatchObject({ roster: ["alice", "bob"] });
  });
});

describe("a commit that nobody can follow", () => {
  async function crowd() {
    const { stage, alice, bob, carol } = await trio();
    const mallory = await person(stage, "mallory");
    const conversation = await group([alice, bob, mallory]);
    const commit = (device: typeof alice, turn: number, add: string[], remove: string[]) =>
      ask(device, "commit", commitOf(conversation, { turn, add, remove }));
    const roster = async () => (await stage.relay.conversations.get(conversation))!.roster;
    return { stage, alice, bob, carol, mallory, conversation, commit, roster };
  }

  test("may drop everybody: one of them restores the roster, without the poster, and that is the end of it", async () => {
    const { alice, bob, mallory, commit, roster } = await crowd();
    expect((await commit(mallory, 1, [], ["alice", "bob"])).ok).toBeDefined();
    expect((await commit(alice, 2, ["alice", "bob"], ["mallory"])).ok).toBeDefined();
    expect(await roster()).toEqual(["alice", "bob"]);
    expect((await commit(mallory, 3, ["mallory"], ["alice"])).error?.code).toBe("not_a_member");
    expect((await commit(bob, 3, [], [])).ok).toBeDefined();
  });

  test("a restoration names its caller, brings nobody else in, and drops nobody but the poster", async () => {
    const { alice, bob, mallory, conversation, commit, roster } = await crowd();
    await commit(mallory, 1, [], ["alice"]);
    expect((await commit(alice, 2, [], ["mallory"])).error?.code).toBe("not_a_member");
    for (const [add, remove] of [
      [["alice", "carol"], []],
      [["alice"], ["bob"]],
      [["alice"], ["mallory", "bob"]],
    ] as const) {
      expect((await commit(alice, 2, [...add], [...remove])).error?.code).toBe("invalid_roster");
    }
    // It is the next commit, and nothing else that is for members.
    const entries = [message()];
    expect((await ask(alice, "append", { conversation, turn: 2, entries })).error?.code).toBe("not_a_member");
    const later = { conversation, turn: 2, entries: [message()] };
    expect((await ask(bob, "append", later)).ok).toBeDefined();
    expect((await commit(alice, 1, ["alice"], [])).error).toMatchObject({ code: "stale", head: { seq: 2, turn: 2 } });
    const restoring = commitOf(conversation, { turn: 2, add: ["alice"], remove: ["mallory"] });
    const first = await ask(alice, "commit", restoring);
    expect(first.ok).toBeDefined();
    expect((await ask(alice, "commit", restoring)).ok).toEqual(first.ok);
    expect(await roster()).toEqual(["bob", "alice"]);
  });

  test("after the next commit, whom it dropped stays away", async () => {
    const { alice, bob, mallory, commit } = await crowd();
    await commit(alice, 1, [], ["mallory"]);
    await commit(bob, 2, [], []);
    expect((await commit(mallory, 3, ["mallory"], [])).error?.code).toBe("not_a_member");
  });

  test("whoever was rightly removed disturbs once", async () => {
    const { alice, bob, mallory, commit, roster } = await crowd();
    await commit(alice, 1, [], ["mallory"]);
    expect((await commit(mallory, 2, ["mallory"], ["alice"])).ok).toBeDefined();
    expect((await commit(alice, 3, ["alice"], ["mallory"])).error?.code).toBe("not_a_member");
    expect((await commit(bob, 3, ["alice"], ["mallory"])).ok).toBeDefined();
    expect(await roster()).toEqual(["bob", "alice"]);
    expect((await commit(mallory, 4, ["mallory"], ["bob"])).error?.code).toBe("not_a_member");
  });

  test("does not end the conversation: whom it dropped opens a successor, and whoever left does not", async () => {
    const { alice, bob, carol, mallory, conversation, commit } = await crowd();
    const leave = { conversation, turn: 1, entry: randomId(), payload: payload(), leave: true };
    expect((await ask(bob, "propose", leave)).ok).toBeDefined();
    await commit(mallory, 1, [], ["alice"]);
    await commit(mallory, 2, [], []);
    const successor = (people: readonly (typeof alice)[]) => ({
      ...creation(people),
      generation: 1,
      predecessor: conversation,
    });
    const open = async (people: readonly (typeof alice)[]) =>
      (await ask(people[0]!, "createConversation", successor(people))).error?.code;
    expect(await open([bob])).toBe("not_a_member");
    expect(await open([carol])).toBe("not_a_member");
    expect(await open([alice, carol])).toBe("invalid_roster");
    // What Bob said may have been garbage, and then he has not left.
    expect(await open([alice, bob])).toBeUndefined();
    expect(await open([alice, mallory])).toBeUndefined();
    expect(await open([mallory, alice])).toBeUndefined();
  });
});
