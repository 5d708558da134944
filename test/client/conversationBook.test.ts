/** Which conversation a log belongs to, and what a conversation begins with. */
import { memoryStore } from "@tacit/client/memory";
import { ConversationBook } from "../../client/src/conversation/conversationBook.ts";
import { sealedStore, type SealedStore } from "../../client/src/sealedStore.ts";
import { newConversation, noted, type ConversationState } from "../../client/src/session/conversation.ts";
import { decodeTimelineItem, timelinePrefix } from "../../client/src/session/conversationStore.ts";
import { imported } from "../../client/src/session/history/importedHistory.ts";
import type { TimelineItem } from "../../client/src/session/timeline.ts";
import { plainData } from "../../client/src/session/group/groupData.ts";

const [first, second, third] = ["A", "B", "C"].map((letter) => `g-${letter.repeat(22)}`) as [string, string, string];

function inLog(id: string, log: string, predecessor?: string): ConversationState {
  const data = { ...plainData, generation: predecessor === undefined ? 0 : 1, predecessor };
  return { ...newConversation(id, ["alice", "bob"], data), log, phase: "ended" };
}

function bookOf(...states: readonly ConversationState[]): ConversationBook {
  return bookOver({}, ...states);
}

function bookOver(store: object, ...states: readonly ConversationState[]): ConversationBook {
  const peers = {
    get: () => undefined,
    isBlocked: () => false,
    meet: () => ({ changed: [], changes: [], stored: () => {} }),
  };
  const connection = { isUp: false, now: () => 0, need: () => {} };
  const clock = { now: () => 0, after: () => () => {} };
  const deps = {
    context: () => ({ account: "bob" }),
    peers,
    store,
    connection,
    clock,
    isLinked: () => true,
    follow: () => {},
  };
  const book = new ConversationBook(deps as never);
  for (const state of states) book.adopt(state, state);
  return book;
}

describe("a log", () => {
  it("is of the conversation that is in it, of the one that began in it, then of one that goes on from it", () => {
    const book = bookOf(inLog(first, second, first));
    for (const log of [first, second]) expect(book.inLog(log)?.id).toBe(first);
    expect(bookOf(inLog(second, second, first)).inLog(first)?.id).toBe(second);
    expect(book.inLog(third)).toBeUndefined();
  });

  it("is not of somebody else's that says it goes on from there, in whatever order they are read from the store", () => {
    for (const began of [inLog(first, first), inLog(first, third, second)]) {
      const other = inLog(second, second, first);
      expect(bookOf(began, other).inLog(first)?.id).toBe(first);
      expect(bookOf(other, began).inLog(first)?.id).toBe(first);
      expect(bookOf(other, began).inLog(second)?.id).toBe(second);
    }
  });
});

describe("history that was handed over", () => {
  const id = first;
  const texts = ["one", "two"];
  const message = {
    kind: "message",
    seq: 1,
    storedAt: 1,
    sentAt: 1,
    device: "D",
    from: "alice",
    mine: false,
    status: "sent",
  } as const;
  const items = texts.map((text, index) => ({ ...message, id: text, text, position: index + 7 }));
  const handed = imported("bob", { id, members: ["alice", "bob"], items });
  const wanted = newConversation(id, ["alice", "bob"]);

  async function opened(): Promise<SealedStore> {
    const inner = memoryStore();
    return sealedStore(inner, inner.vault!, (length) => new Uint8Array(length));
  }

  async function timelineIn(store: SealedStore): Promise<readonly TimelineItem[]> {
    return (await store.scan(timelinePrefix(id))).map(([, value]) => decodeTimelineItem(value));
  }

  const inOrder = texts.map((text, index) => ({ text, position: index + 1 }));

  it("comes before what a conversation shows that was asked for earlier, later or at the same time", async () => {
    for (const order of ["earlier", "later", "at the same time"]) {
      const store = await opened();
      const book = bookOver(store);
      const taken = order === "earlier" ? undefined : book.takeOver([handed], []);
      if (order === "later") await taken;
      // Whoever asks for a conversation waits until it is clear what there is.
      if (order === "at the same time") await book.settled(id);
      const conversation = await book.start(wanted);
      await (taken ?? book.takeOver([handed], []));
      expect(await timelineIn(store)).toMatchObject(inOrder);
      expect(conversation.snapshot).toMatchObject({ nextPosition: 3, former: ["alice D one", "alice D two"] });
      await book.close();
    }
  });

  it("is left out where the timeline has begun", async () => {
    const store = await opened();
    const book = bookOver(store);
    const conversation = await book.start(wanted);
    await conversation.take((state) => noted(state, { kind: "opened", by: "alice" }, { seq: 1, storedAt: 1 }));
    await book.takeOver([handed], []);
    expect(await timelineIn(store)).toMatchObject([{ kind: "opened", position: 1 }]);
    expect(conversation.snapshot.nextPosition).toBe(2);
    await book.close();
  });
});
