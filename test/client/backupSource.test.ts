/** What a backup says of conversations, and what becomes of them where it is restored. */
import type { AccountRecords } from "../../client/src/account/accountRecords.ts";
import { backupSource } from "../../client/src/backup/backupSource.ts";
import { restored, restoredState } from "../../client/src/backup/restored.ts";
import type { ConversationBook } from "../../client/src/conversation/conversationBook.ts";
import type { OwnAccount } from "../../client/src/account/ownAccount.ts";
import type { PeerBook } from "../../client/src/account/peerBook.ts";
import type { BackedUpConversation } from "../../client/src/session/history/backup.ts";
import { newConversation, type ConversationState } from "../../client/src/session/conversation.ts";

const id = `g-${"A".repeat(22)}`;

function backedUp(state: Partial<ConversationState>): readonly BackedUpConversation[] {
  const snapshot = { ...newConversation(id, ["alice", "bob"]), phase: "open", ...state };
  const conversation = { id, snapshot, members: snapshot.roster, info: { current: { title: "Tea" } } };
  const book = { all: () => [conversation] } as unknown as ConversationBook;
  const [own, peers, records] = [{} as OwnAccount, {} as PeerBook, {} as AccountRecords];
  return backupSource("bob", { own, peers, records, book }).conversations();
}

const tea = { id, log: id, members: ["alice", "bob"], title: "Tea" };

describe("a conversation in a backup", () => {
  it("is there where its user wanted it, and not where nobody has accepted it", () => {
    expect(backedUp({})).toEqual([tea]);
    expect(backedUp({ phase: "ended" })).toEqual([{ ...tea, ended: true }]);
    expect(backedUp({ requestBy: "alice" })).toEqual([]);
  });

  it("that was wanted, and is a request once more, is over where it is restored, and its caller a stranger", () => {
    for (const phase of ["open", "ended"] as const) {
      const [stored] = backedUp({ phase, requestBy: "alice", wasWanted: true });
      expect(stored).toEqual({ ...tea, ended: true, requestBy: "alice" });
      expect(restoredState(restored(stored!, undefined))).toMatchObject({
        phase: "ended",
        requestBy: "alice",
        wasWanted: true,
      });
    }
    expect(restoredState(restored(tea, undefined))).toMatchObject({ phase: "stuck", wasWanted: false });
  });
});
