/** Alice and Bob over the relay's own rules, in one process. */
import { connect, type Client, type Conversation, type Message } from "@tacit/client";
import { memoryStore, type MemoryStore } from "@tacit/client/memory";
import { fakeClock, type FakeClock } from "./support/fakeClock.ts";
import { inProcessRelay, type InProcessRelay } from "./support/inProcessRelay.ts";

const suite = 1;

interface Stage {
  readonly clock: FakeClock;
  readonly relay: InProcessRelay;
  arrive(account: string, store?: MemoryStore): Promise<Client>;
}

function stage(): Stage {
  const clock = fakeClock();
  const relay = inProcessRelay(clock);
  return {
    clock,
    relay,
    async arrive(account, store = memoryStore()) {
      const { url, transport, blobs } = relay;
      const client = await clock.until(
        connect({ url, token: relay.token(account), store, suite, transport, blobs, clock }),
      );
      await clock.until(client.caughtUp());
      return client;
    },
  };
}

async function first(conversation: Conversation, count: number): Promise<readonly Message[]> {
  const messages: Message[] = [];
  for await (const message of conversation.messages()) {
    messages.push(message);
    if (messages.length === count) break;
  }
  return messages;
}

function incoming(client: Client): Promise<Conversation> {
  return new Promise((resolve) => client.on("conversation", resolve));
}

describe("a direct conversation", () => {
  it("carries messages both ways, in the order of the log", async () => {
    const { clock, relay, arrive } = stage();
    const alice = await arrive("alice");
    const bob = await arrive("bob");
    const invited = incoming(bob);
    const chat = await clock.until(alice.conversation({ with: ["bob"] }));
    const hello = await clock.until(chat.send({ text: "hello" }));
    expect((await clock.until(hello.sent)).text).toBe("hello");
    const atBob = await clock.until(invited);
    expect(atBob.id).toBe(chat.id);
    expect(atBob.members).toEqual(["alice", "bob"]);
    await clock.until((await clock.until(atBob.send({ text: "hi" }))).sent);
    await clock.until((await clock.until(chat.send({ text: "how are you?" }))).sent);
    const [seenByAlice, seenByBob] = await clock.until(Promise.all([first(chat, 3), first(atBob, 3)]));
    expect(seenByBob.map(({ from, text }) => [from, text])).toEqual([
      ["alice", "hello"],
      ["bob", "hi"],
      ["alice", "how are you?"],
    ]);
    expect(seenByAlice.map(({ id, text, seq }) => [id, text, seq])).toEqual(
      seenByBob.map(({ id, text, seq }) => [id, text, seq]),
    );
    expect(seenByAlice.map(({ mine }) => mine)).toEqual([true, false, true]);
    expect(relay.unexpected).toEqual([]);
    await alice.close();
    await bob.close();
  });
});
