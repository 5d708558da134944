/** Creating conversations and committing to them. */
import { directConversationName, limits } from "@tacit/protocol";
import { randomId, sha256 } from "../../bench/rawDevice.ts";
import { ask, commitOf, creation, group, keyPackage, message, newStage, payload, person, pushes } from "./stage.ts";

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
    const first = { ...creation([alice, bob]), conversation: directName() };
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

describe("commit", () => {
  test("ends the turn, changes the roster, rings who is in, was in, and comes in", async () => {
    const { stage, alice, bob, carol } = await trio();
    const conversation = await group([alice, bob]);
    const request = commitOf(conversation, { add: ["carol"], remove: ["bob"] });
    expect((await ask(alice, "commit", request)).ok).toMatchObject({ id: request.entry, seq: 2, turn: 1 });
    expect(await stage.relay.conversations.get(conversation)).toMatchObject({ turn: 2, roster: ["alice", "carol"] });
    for (const device of [bob, carol]) expect(pushes(device, "entries").at(-1)).toMatchObject({ conversation, seq: 2 });
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
    const { stage, alice } = await trio();
    const conversation = await group([alice]);
    const full = Array.from({ length: limits.roster }, (_, i) => (i === 0 ? "alice" : `a${i}`));
    const current = stage.memory.tables.conversations.get(conversation)!;
    stage.memory.tables.conversations.set(conversation, { ...current, roster: full });
    const one = (await ask(alice, "commit", commitOf(conversation, { add: ["new"] }))).error;
    expect(one?.code).toBe("limit_exceeded");
    expect((await ask(alice, "commit", commitOf(conversation, { add: ["new"], remove: ["a1"] }))).ok).toBeDefined();
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
