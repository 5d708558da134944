/** Garbage commit and forbidden removal: Mallory is a plain member with a client of her own making; the relay is honest. */
import { memoryStore } from "@tacit/client/memory";
import type { Proposal } from "@tacit/mls";
import type { CommitData } from "../../../client/src/session/reading/commitData.ts";
import { leavesOf, type Group } from "../../../client/src/session/group/group.ts";
import { dataExtensionOf } from "../../client/support/groupExtension.ts";
import { forge } from "../../client/support/liar.ts";
import { stage, type Stage } from "../../client/support/stage.ts";
import { commitBy, copied, groupOf, said, textsOf } from "./attacker.ts";

type Delta = Partial<Pick<CommitData, "add" | "remove">>;

async function attempt(
  s: Stage,
  proposals: (group: Group) => readonly Proposal[],
  delta: Delta = {},
): Promise<readonly string[]> {
  const store = memoryStore();
  const clients = [await s.arrive("alice"), await s.arrive("bob"), await s.arrive("mallory", { store })];
  const [atAlice, atBob, atMallory] = await groupOf(s, clients);
  await said(s, atAlice!, "before");
  const { state } = await copied(clients[2]!, store);
  await clients[2]!.close();
  const { group, turn } = state(atMallory!);
  const { commit } = await commitBy(group!, { turn, ...delta }, proposals(group!));
  forge(s, atAlice!.id, { kind: "commit", account: "mallory", payload: commit, ...delta });
  await s.clock.advance(60_000);

  // Everybody is in as before, and hears everybody.
  expect(atAlice!.members).toEqual(["alice", "bob", "mallory"]);
  await said(s, atAlice!, "after");
  await said(s, atBob!, "indeed");
  expect(await textsOf(atBob!)).toEqual(["before", "after", "indeed"]);
  expect(await textsOf(atAlice!)).toEqual(["before", "after", "indeed"]);
  expect(atBob!.info.current.members.map(({ role }) => role)).toEqual(["owner", "member", "member"]);
  const notices = await timeline(atBob!);
  for (const client of clients.slice(0, 2)) await client.close();
  return notices;
}

async function timeline(conversation: Parameters<typeof textsOf>[0]): Promise<readonly string[]> {
  const items: string[] = [];
  const end = new AbortController();
  const iteration = conversation.timeline({ signal: end.signal })[Symbol.asyncIterator]();
  for (;;) {
    const next = iteration.next();
    const over = await Promise.race([next, new Promise<undefined>((resolve) => setImmediate(resolve, undefined))]);
    if (over === undefined || over.done === true) break;
    items.push(over.value.kind);
  }
  end.abort();
  return items;
}

const removing =
  (account: string) =>
  (group: Group): readonly Proposal[] =>
    leavesOf(group)
      .filter(({ identity }) => identity.account === account)
      .map(({ leafIndex }) => ({ type: "remove", removed: leafIndex }));

describe("a plain member", () => {
  it.each([["bob"], ["alice"]])("removes %s: void, they are served again, and she is not", async (victim) => {
    const kinds = await attempt(stage(), removing(victim), { remove: [victim] });
    expect(kinds).toEqual(["opened", "message", "void", "suspended", "message", "message"]);
  });

  it("removes Bob's leaf and keeps him on the roster: void", async () => {
    expect(await attempt(stage(), removing("bob"))).toEqual(["opened", "message", "void", "message", "message"]);
  });

  it("crowns herself: void", async () => {
    const crown = dataExtensionOf({ owners: ["alice", "mallory"] });
    const kinds = await attempt(stage(), () => [{ type: "groupContextExtensions", extensions: [crown] }]);
    expect(kinds).toEqual(["opened", "message", "void", "message", "message"]);
  });

  it("posts bytes that are no commit: void", async () => {
    const s = stage();
    const clients = [await s.arrive("alice"), await s.arrive("bob"), await s.arrive("mallory")];
    const [atAlice, atBob] = await groupOf(s, clients);
    forge(s, atAlice!.id, { kind: "commit", account: "mallory", remove: ["alice", "bob"] });
    await s.clock.advance(60_000);
    await said(s, atAlice!, "as ever");
    expect(await textsOf(atBob!)).toEqual(["as ever"]);
    expect(await timeline(atBob!)).toEqual(["opened", "void", "suspended", "message"]);
    expect([...s.relay.tables.conversations.get(atAlice!.id)!.roster].sort()).toEqual(["alice", "bob"]);
    for (const client of clients) await client.close();
  });
});
