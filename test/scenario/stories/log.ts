/** Stories about the log: what was written once is read once, in order, whatever gets lost on the way. */
import { directConversationName } from "@tacit/protocol";
import { randomId, sha256, welcomeFrom } from "../../../bench/rawDevice.ts";
import { group, message, opaque, person, readAll, type Story } from "../stage.ts";

export const aMessageBetweenTwoPages: Story = async (cloud) => {
  const alice = await person(cloud, "alice");
  const bob = await person(cloud, "bob");
  const conversation = await group([alice, bob]);
  const sent = Array.from({ length: 8 }, (_, i) => message(`m${i}`));
  await alice.device.request("append", { conversation, turn: 1, entries: sent.slice(0, 4) });

  const first = await bob.device.request("read", { conversation, after: 0, limit: 3 });
  await alice.device.request("append", { conversation, turn: 1, entries: sent.slice(4) });
  const rest = await readAll(bob.device, conversation, first.ok!.next, 3);

  const entries = [...first.ok!.entries, ...rest];
  expect(entries.slice(1).map(({ id }) => id)).toEqual(sent.map(({ id }) => id));
  expect(entries.map(({ prev }) => prev)).toEqual([0, ...entries.slice(0, -1).map(({ seq }) => seq)]);
};

export const aWinnerThatIsToldItLost: Story = async (cloud) => {
  const alice = await person(cloud, "alice");
  const bob = await person(cloud, "bob");
  const conversation = await group([alice, bob]);
  const commit = {
    conversation,
    turn: 1,
    entry: randomId(),
    after: 1,
    payload: opaque("commit"),
    welcomes: [],
    blobs: [],
    add: [],
    remove: [],
  };

  // The transaction lands, its answer does not arrive, and the SDK's own retry meets what the first attempt did.
  const lost = cloud.faults.inject({
    when: ({ service, operation }) => service === "dynamodb" && operation === "TransactWriteItems",
    effect: { kind: "loseAnswer" },
    times: 1,
  });
  const first = await alice.device.request("commit", commit);
  expect(lost.count).toBe(1);
  expect(first.ok).toMatchObject({ id: commit.entry, turn: 1 });

  // A client that never saw that answer repeats the request and is told the same.
  expect((await alice.device.request("commit", commit)).ok).toEqual(first.ok);
  // Another commit on the old turn has lost, and says where the log is now.
  const loser = await bob.device.request("commit", { ...commit, entry: randomId() });
  expect(loser.error).toMatchObject({ code: "stale", head: { turn: 2, seq: first.ok!.seq } });
  expect((await readAll(bob.device, conversation)).filter(({ kind }) => kind === "commit")).toHaveLength(2);
};

export const aLostAppend: Story = async (cloud) => {
  const alice = await person(cloud, "alice");
  const bob = await person(cloud, "bob");
  const conversation = await group([alice, bob]);
  const lost = cloud.faults.inject({
    when: ({ service, operation, input }) =>
      service === "dynamodb" && operation === "PutItem" && JSON.stringify(input).includes(conversation),
    effect: { kind: "loseAnswer" },
    times: 1,
  });
  const sent = message("once");
  const answer = await alice.device.request("append", { conversation, turn: 1, entries: [sent] });
  expect(lost.count).toBe(1);
  expect(answer.ok!.accepted).toHaveLength(1);
  expect((await readAll(bob.device, conversation)).filter(({ id }) => id === sent.id)).toHaveLength(1);
};

export const bothCreateAtOnce: Story = async (cloud) => {
  const alice = await person(cloud, "alice");
  const bob = await person(cloud, "bob");
  const conversation = `d-${sha256(directConversationName([bob.identity.account, alice.identity.account], 0))}`;
  const create = async (by: typeof alice, guest: typeof alice) => ({
    conversation,
    entry: randomId(),
    payload: opaque("create"),
    welcomes: [await welcomeFrom(by.device, guest)],
    blobs: [],
    roster: [alice.identity.account, bob.identity.account],
    generation: 0,
  });
  const [first, second] = [await create(alice, bob), await create(bob, alice)];
  const outcomes = await Promise.all([
    alice.device.request("createConversation", first),
    bob.device.request("createConversation", second),
  ]);
  expect(outcomes.filter(({ ok }) => ok)).toHaveLength(1);
  expect(outcomes.find(({ error }) => error)!.error).toMatchObject({
    code: "conversation_exists",
    head: { seq: 1, turn: 1 },
  });

  // Under another name, or with another roster, it is not theirs.
  const wrong = await alice.device.request("createConversation", { ...first, conversation: `d-${sha256("x")}` });
  expect(wrong.error?.code).toBe("invalid_roster");
};

export const leaving: Story = async (cloud) => {
  const alice = await person(cloud, "alice");
  const bob = await person(cloud, "bob");
  const conversation = await group([alice, bob]);
  await alice.device.request("append", { conversation, turn: 1, entries: [message("before")] });
  const left = await bob.device.request("propose", {
    conversation,
    turn: 1,
    entry: randomId(),
    payload: opaque("remove me"),
    leave: true,
  });
  expect(left.ok?.seq).toBe(3);
  await alice.device.request("append", { conversation, turn: 1, entries: [message("after")] });

  // Bob reads up to his own leaving, and no further; and is told nothing of what comes.
  expect((await readAll(bob.device, conversation)).map(({ seq }) => seq)).toEqual([1, 2, 3]);
  const refused = await bob.device.request("append", { conversation, turn: 1, entries: [message("still here")] });
  expect(refused.error?.code).toBe("not_a_member");
};
