/** What a conversation gives up is handed out to be wiped: all of it, once, and nothing that is used still. */
import type { GroupState } from "@tacit/mls";
import { ended, stuck } from "../../../client/src/session/reading/applied.ts";
import type { ConversationState, Step } from "../../../client/src/session/conversation.ts";
import { withoutRemains } from "../../../client/src/session/remains.ts";
import { succeeding } from "../../../client/src/session/repair/successor.ts";
import { followingAgain, wantRepair } from "../../../client/src/session/repair/wantRepair.ts";
import type { LiveConversation } from "../../../client/src/conversation/liveConversation.ts";
import { couple, groupOfTwo, joinByWelcome, now, rotatePending, sealed } from "../support/devices.ts";
import { forgedInvitation } from "../support/forger.ts";
import { stage } from "../support/stage.ts";

const at = { seq: 9, storedAt: now };

/** Every secret in the parts of a group, found by looking at all bytes but those that are public. */
function secretsIn({ epoch, ratchets }: GroupState): ReadonlySet<Uint8Array> {
  const found = new Set<Uint8Array>();
  const visit = (value: unknown): void => {
    if (value instanceof Uint8Array) found.add(value);
    else if (value instanceof Map) for (const each of value.values()) visit(each);
    else if (Array.isArray(value)) for (const each of value) visit(each);
    else if (typeof value === "object" && value !== null) Object.values(value).forEach(visit);
  };
  visit([epoch.secrets, epoch.pathKeys, ratchets]);
  return found;
}

/** Bob has said something, and waits for a commit of his to land. */
async function pending(): Promise<{ readonly state: ConversationState; readonly lost: ReadonlySet<Uint8Array> }> {
  const { bob, atBob } = await couple(groupOfTwo);
  const spoken = await sealed(bob, atBob, "something");
  const { state } = await rotatePending(bob, spoken.state);
  const kept = secretsIn(state.group!);
  const lost = new Set([...secretsIn(state.pending!.next)].filter((secret) => !kept.has(secret)));
  expect(lost.size).toBeGreaterThan(10);
  return { state, lost };
}

function expectOnce({ consumed }: Step, secrets: ReadonlySet<Uint8Array>, state: ConversationState): void {
  for (const secret of secrets) expect(consumed.filter((each) => each === secret)).toHaveLength(1);
  expect(consumed).not.toContain(state.group?.epoch.signaturePrivateKey);
}

describe("what is given up", () => {
  it("with an own commit, where the device cannot follow; the group is kept", async () => {
    const { state, lost } = await pending();
    const step = stuck(state, at);
    expect(step.state).toMatchObject({ phase: "stuck", pending: undefined, group: state.group });
    expectOnce(step, lost, state);
    for (const kept of secretsIn(state.group!)) expect(step.consumed).not.toContain(kept);
  });

  it("but nothing where its user alone wants repair: it may go on from there", async () => {
    const [{ state }, { bob }] = [await pending(), await couple()];
    const { consumed, state: asking } = wantRepair(state, "bob", now)!;
    expect(consumed).toEqual([]);
    expect(asking).toMatchObject({ phase: "stuck", group: state.group, pending: state.pending });
    expect(followingAgain(bob, asking, now)).toEqual(state);
  });

  it("with a conversation that ends, in whatever way: its epoch, its ratchets, and what was to come", async () => {
    for (const end of [
      (state: ConversationState) => ended(state, { kind: "cannotFollow" }, at),
      (state: ConversationState): Step => ({ state: { ...state, phase: "ended" }, items: [], consumed: [] }),
    ]) {
      const { state, lost } = await pending();
      const step = withoutRemains(end(state));
      expect(step.state).toMatchObject({ phase: "ended", pending: undefined, group: undefined });
      expectOnce(step, new Set([...lost, ...secretsIn(state.group!)]), state);
      expect(withoutRemains(step)).toBe(step);
    }
  });

  it("with a log that is left for a successor, or come into anew", async () => {
    const { state, lost } = await pending();
    const all = new Set([...lost, ...secretsIn(state.group!)]);
    expectOnce(succeeding({ ...(await couple()).bob, account: "bob" }, state), all, state);
    const { alice, bob, atBob } = await couple(groupOfTwo);
    const forged = await forgedInvitation(alice, bob, { id: groupOfTwo.id, epochs: 2, seq: 9, turn: 9 });
    const joined = await joinByWelcome(bob, stuck(atBob, at).state, forged);
    if (joined.kind !== "joined") throw new Error(joined.kind);
    expectOnce(joined.step, secretsIn(atBob.group!), atBob);
  });

  it("is wiped when that is stored, and the device goes on in other conversations", async () => {
    const s = stage();
    const [alice, bob] = [await s.arrive("alice"), await s.arrive("bob")];
    const ending = await s.clock.until(alice.createGroup({ members: ["bob"] }));
    const other = await s.clock.until(alice.createGroup({ members: ["bob"] }));
    await s.clock.settle();
    const secrets = [...secretsIn((ending as LiveConversation).snapshot.group!)].filter(({ length }) => length > 0);
    expect(secrets.length).toBeGreaterThan(10);
    await s.clock.until((ending as LiveConversation).end());
    for (const secret of secrets) expect(secret.every((byte) => byte === 0)).toBe(true);
    await s.clock.until((await s.clock.until(other.send({ text: "still here" }))).sent);
    await s.clock.until(other.rotateKeys());
    await s.clock.until(alice.createGroup({ members: ["bob"] }));
    await alice.close();
    await bob.close();
  });
});
