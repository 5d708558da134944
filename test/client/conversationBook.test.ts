/** Which conversation a log belongs to. */
import { ConversationBook } from "../../client/src/conversation/conversationBook.ts";
import { newConversation, type ConversationState } from "../../client/src/session/conversation.ts";
import { plainData } from "../../client/src/session/group/groupData.ts";

const [first, second, third] = ["A", "B", "C"].map((letter) => `g-${letter.repeat(22)}`) as [string, string, string];

function inLog(id: string, log: string, predecessor?: string): ConversationState {
  const data = { ...plainData, generation: predecessor === undefined ? 0 : 1, predecessor };
  return { ...newConversation(id, ["alice", "bob"], data), log, phase: "ended" };
}

function bookOf(...states: readonly ConversationState[]): ConversationBook {
  const peers = { get: () => undefined, isBlocked: () => false };
  const book = new ConversationBook({ context: () => ({ account: "bob" }), peers } as never);
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
