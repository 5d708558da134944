/**
 * A commit that was made before somebody asked to leave, and that lands after that: it leaves them in. The relay refuses it where its maker is
 * honest about what it had read; here it is not asked.
 */
import type { ConversationState, SessionContext } from "../../../client/src/session/conversation.ts";
import { accountsOf } from "../../../client/src/session/group/group.ts";
import { newIntent, planFor, withIntent } from "../../../client/src/session/intents.ts";
import { leavePending } from "../../../client/src/session/leaving.ts";
import { changePending } from "../../../client/src/session/pendingCommit.ts";
import { apply, device, now, sealed } from "../support/devices.ts";
import { party } from "../support/forger.ts";

/** What `intent` plans now, as the next own commit. */
async function committing(by: SessionContext, state: ConversationState): Promise<ConversationState> {
  const plan = planFor(by, state, state.intents[0]!);
  if (plan.kind !== "commit") throw new Error(plan.kind);
  return (await changePending(by, state, plan.wish, now)).state;
}

const verdicts = ({ items }: { readonly items: readonly { readonly kind: string }[] }): readonly string[] =>
  items.map(({ kind }) => kind);

it.each([
  ["a renewal of keys", "alice"],
  ["a change of the title", "bob"],
] as const)("%s is made again, nobody is accused, and who asked to leave is out", async (_, maker) => {
  const [alice, bob, carol] = [await device("alice"), await device("bob"), await device("carol")];
  const { log, states } = await party([alice, bob, carol], { admins: ["bob"] });
  const [atAlice, atBob, atCarol] = states as [ConversationState, ConversationState, ConversationState];
  const by = maker === "alice" ? alice : bob;
  const wanted = newIntent(by, maker === "alice" ? { kind: "rotate" } : { kind: "describe", title: "Without Carol" });
  const made = await committing(by, withIntent(maker === "alice" ? atAlice : atBob, wanted));
  const leaving = (await leavePending(carol, atCarol)).state;
  log.proposal(leaving.leaving!.proposal, "carol", { leave: true });
  log.commit(made.pending!.commit, maker, { id: made.pending!.entry });

  const others = maker === "alice" ? ([bob, atBob] as const) : ([alice, atAlice] as const);
  const epoch = atAlice.group!.epoch.groupContext.epoch;
  const [atMaker, atOther] = [await apply(by, made, log.entries), await apply(others[0], others[1], log.entries)];
  for (const { state, items } of [atMaker, atOther]) {
    expect(items).toEqual([]);
    expect(state).toMatchObject({ turn: 2, phase: "open", pending: undefined, droppedBy: undefined, suspended: [] });
    expect(state.group!.epoch.groupContext.epoch).toBe(epoch);
    expect(accountsOf(state.group!)).toEqual(["alice", "bob", "carol"]);
  }
  // It is wanted still, and its maker does it again, with whoever asked to leave.
  expect(atMaker.state.intents).toEqual([wanted]);
  const again = await committing(by, atMaker.state);
  log.commit(again.pending!.commit, maker, { id: again.pending!.entry });
  const [maker2, other2] = [
    await apply(by, again, log.entries.slice(-1)),
    await apply(others[0], atOther.state, log.entries.slice(-1)),
  ];
  for (const { state, items } of [maker2, other2]) {
    expect(items[0]).toMatchObject({ kind: "left", accounts: ["carol"] });
    expect(verdicts({ items })).toEqual(maker === "alice" ? ["left"] : ["left", "titleChanged"]);
    expect(accountsOf(state.group!)).toEqual(["alice", "bob"]);
    expect(state).toMatchObject({ roster: ["alice", "bob"], unlisted: [], intents: [] });
  }
  expect((await apply(carol, leaving, log.entries)).state).toMatchObject({ phase: "ended", leaving: undefined });
  const { ciphertext } = await sealed(by, maker2.state, "the two of us");
  expect(verdicts(await apply(others[0], other2.state, [log.message(ciphertext)]))).toEqual(["message"]);
});
