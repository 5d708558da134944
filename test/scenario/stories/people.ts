/** Stories about people: what they type arrives, once and in order, whatever happens in between. */
import { connect, type Client, type ConnectOptions, type Conversation } from "@tacit/client";
import { memoryStore } from "@tacit/client/memory";
import { type Scene, type Story } from "../stage.ts";

const patience = 20_000;

async function join(cloud: Scene, name: string, more: Partial<ConnectOptions> = {}): Promise<Client> {
  const account = cloud.account(name);
  return connect({ url: cloud.url, token: () => cloud.token(account), store: memoryStore(), ...more });
}

/** The first `count` messages, as "who: what". */
async function transcript(conversation: Conversation, count: number): Promise<string[]> {
  const lines: string[] = [];
  const signal = AbortSignal.timeout(patience);
  for await (const { from, text } of conversation.messages({ signal })) {
    lines.push(`${from.replace(/-.*$/, "")}: ${text}`);
    if (lines.length === count) return lines;
  }
  throw new Error(`only ${lines.length} of ${count} messages came: ${lines.join(" | ")}`);
}

async function say(conversation: Conversation, ...texts: readonly string[]): Promise<void> {
  const outgoing = [];
  for (const text of texts) outgoing.push(await conversation.send({ text }));
  for (const { sent } of outgoing) await sent;
}

export const firstContact: Story = async (cloud) => {
  await using alice = await join(cloud, "alice");
  await using bob = await join(cloud, "bob");
  const atAlice = await alice.conversation({ with: [bob.account] });
  await say(atAlice, "hello Bob", "are you there?");

  const atBob = await bob.conversation({ with: [alice.account] });
  expect(atBob.id).toBe(atAlice.id);
  expect(await transcript(atBob, 2)).toEqual(["alice: hello Bob", "alice: are you there?"]);
  await say(atBob, "I am");
  const all = ["alice: hello Bob", "alice: are you there?", "bob: I am"];
  expect(await transcript(atAlice, 3)).toEqual(all);
  expect(await transcript(atBob, 3)).toEqual(all);
};

export const bothWriteFirst: Story = async (cloud) => {
  await using alice = await join(cloud, "alice");
  await using bob = await join(cloud, "bob");
  const [atAlice, atBob] = await Promise.all([
    alice.conversation({ with: [bob.account] }),
    bob.conversation({ with: [alice.account] }),
  ]);
  await Promise.all([say(atAlice, "a1", "a2"), say(atBob, "b1", "b2")]);
  const lines = await transcript(atAlice, 4);
  expect(await transcript(atBob, 4)).toEqual(lines);
  expect([...lines].sort()).toEqual(["alice: a1", "alice: a2", "bob: b1", "bob: b2"]);
};

export const offlineForThreeDays: Story = async (cloud) => {
  await using alice = await join(cloud, "alice");
  await using bob = await join(cloud, "bob");
  const atAlice = await alice.conversation({ with: [bob.account] });
  await say(atAlice, "before you go");
  const atBob = await bob.conversation({ with: [alice.account] });
  await transcript(atBob, 1);
  bob.goOffline();

  // Three days pass: every lease and every token ends, and the devices' clocks are now three days behind the cloud's.
  const texts = ["before you go"];
  for (let day = 1; day <= 3; day++) {
    await cloud.advance(24 * 60 * 60_000);
    for (let i = 0; i < 3; i++) {
      texts.push(`day ${day}, ${i}`);
      await say(atAlice, texts.at(-1)!);
    }
  }
  bob.goOnline();
  expect(await transcript(atBob, 10)).toEqual(texts.map((text) => `alice: ${text}`));
  await say(atBob, "back");
  expect((await transcript(atAlice, 11)).at(-1)).toBe("bob: back");
};

export const aLostAnswer: Story = async (cloud) => {
  await using alice = await join(cloud, "alice");
  await using bob = await join(cloud, "bob");
  const atAlice = await alice.conversation({ with: [bob.account] });
  await say(atAlice, "one");
  // The message is stored, and the function dies before it can ring or answer.
  const killed = cloud.faults.inject({
    when: ({ service, operation, function: name }) =>
      service === "dynamodb" && operation === "PutItem" && name?.startsWith("Relay") === true,
    effect: { kind: "kill", when: "after" },
    times: 2,
  });
  await say(atAlice, "two");
  expect(killed.count).toBeGreaterThan(0);
  killed.remove();
  await say(atAlice, "three");
  const atBob = await bob.conversation({ with: [alice.account] });
  const expected = ["alice: one", "alice: two", "alice: three"];
  expect(await transcript(atBob, 3)).toEqual(expected);
  expect(await transcript(atAlice, 3)).toEqual(expected);
};

export const aLostDoorbell: Story = async (cloud) => {
  await using alice = await join(cloud, "alice");
  await using bob = await join(cloud, "bob");
  const atAlice = await alice.conversation({ with: [bob.account] });
  await say(atAlice, "one");
  const atBob = await bob.conversation({ with: [alice.account] });
  await transcript(atBob, 1);
  const lost = cloud.faults.inject({
    when: ({ service, operation }) => service === "execute-api" && operation === "PostToConnection",
    effect: { kind: "drop" },
    times: 1,
  });
  await say(atAlice, "two");
  expect(lost.count).toBe(1);
  // The next one that rings does not fit behind the cursor, so the gap is read.
  await say(atAlice, "three");
  expect(await transcript(atBob, 3)).toEqual(["alice: one", "alice: two", "alice: three"]);
};

export const leaseAfterLease: Story = async (cloud) => {
  let tokens = 0;
  const account = cloud.account("alice");
  await using alice = await join(cloud, "alice", {
    token: () => {
      tokens++;
      return cloud.token(account);
    },
  });
  await using bob = await join(cloud, "bob");
  const atAlice = await alice.conversation({ with: [bob.account] });
  await say(atAlice, "one");
  const before = tokens;
  // The token's hour is over; the next request is answered with the end of the lease, and nobody notices.
  await cloud.advance(61 * 60_000);
  await say(atAlice, "two");
  expect(tokens).toBeGreaterThan(before);
  expect(await transcript(await bob.conversation({ with: [alice.account] }), 2)).toEqual(["alice: one", "alice: two"]);
};

export const theWinnerIsToldItLost: Story = async (cloud) => {
  await using alice = await join(cloud, "alice");
  await using bob = await join(cloud, "bob");
  // The commit lands, then the function dies: the client learns from the log that it won.
  const killed = cloud.faults.inject({
    when: ({ service, operation }) => service === "dynamodb" && operation === "TransactWriteItems",
    effect: { kind: "kill", when: "after" },
    times: 1,
  });
  const atAlice = await alice.conversation({ with: [bob.account] });
  await say(atAlice, "hello");
  expect(killed.count).toBe(1);
  const rekeyed = cloud.faults.inject({
    when: ({ service, operation }) => service === "dynamodb" && operation === "TransactWriteItems",
    effect: { kind: "kill", when: "after" },
    times: 1,
  });
  await atAlice.rotateKeys();
  expect(rekeyed.count).toBe(1);
  await say(atAlice, "still here");
  // Bob's ring for the Welcome died with the function: he learns by the ring of a message that he cannot place.
  const atBob =
    bob.conversations()[0] ?? (await new Promise<Conversation>((resolve) => bob.on("conversation", resolve)));
  expect(await transcript(atBob, 2)).toEqual(["alice: hello", "alice: still here"]);
};

export const commitsCollide: Story = async (cloud) => {
  await using alice = await join(cloud, "alice");
  await using bob = await join(cloud, "bob");
  const atAlice = await alice.conversation({ with: [bob.account] });
  await say(atAlice, "one");
  const atBob = await bob.conversation({ with: [alice.account] });
  await transcript(atBob, 1);
  await Promise.all([atAlice.rotateKeys(), atBob.rotateKeys(), say(atAlice, "a2", "a3"), say(atBob, "b2", "b3")]);
  const lines = await transcript(atAlice, 5);
  expect(await transcript(atBob, 5)).toEqual(lines);
  expect(lines.filter((line) => line.startsWith("alice"))).toEqual(["alice: one", "alice: a2", "alice: a3"]);
  expect(lines.filter((line) => line.startsWith("bob"))).toEqual(["bob: b2", "bob: b3"]);
};

export const typing: Story = async (cloud) => {
  await using alice = await join(cloud, "alice");
  await using bob = await join(cloud, "bob");
  const atAlice = await alice.conversation({ with: [bob.account] });
  await say(atAlice, "hello");
  const atBob = await bob.conversation({ with: [alice.account] });
  await transcript(atBob, 1);
  const before = JSON.stringify((await cloud.tables()).find(({ logicalId }) => logicalId.startsWith("Log")));
  const seen = new Promise<boolean>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("no typing")), patience);
    atBob.onTyping(({ account, active }) => {
      clearTimeout(timer);
      resolve(active && account === alice.account);
    });
  });
  await atAlice.sendTyping(true);
  expect(await seen).toBe(true);
  expect(JSON.stringify((await cloud.tables()).find(({ logicalId }) => logicalId.startsWith("Log")))).toBe(before);
};
