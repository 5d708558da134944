/** When devices renew their keys by themselves: a day, a group of a hundred, and nobody who asks for it. */
import { newConversation, type ConversationState } from "../../../client/src/session/conversation.ts";
import { newIntent, planFor } from "../../../client/src/session/intents.ts";
import { createPending } from "../../../client/src/session/pendingCommit.ts";
import { isRenewalDue } from "../../../client/src/session/renewal.ts";
import { seededRandom } from "../../support/memoryPorts.ts";
import {
  apply,
  couple,
  device,
  groupOfTwo,
  keyPackageOf,
  now as start,
  rotatePending,
  type Couple,
} from "../support/devices.ts";

const minute = 60_000;
const day = 86_400_000;

let pair: Couple;
beforeAll(async () => {
  pair = await couple();
});

/** Alice's view of a group of so many devices. */
async function crowd(size: number): Promise<ConversationState> {
  const claimed = [];
  for (let i = 1; i < size; i++) {
    const one = await device(`device-${i}`);
    const keyPackage = (await keyPackageOf(one)).bytes;
    claimed.push({ account: one.account, device: one.device, claim: `claim-${i}`, keyPackage });
  }
  const { state } = await createPending(pair.alice, groupOfTwo, claimed, start);
  return { ...state, phase: "open", group: state.pending!.next, pending: undefined };
}

it("each device at most once a day, the conversation 24 times, and everybody in turn", async () => {
  const open = await crowd(100);
  const random = seededRandom("renewal");
  const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, () => Math.floor(random.fraction() * 256));
  const renewals: { readonly device: number; readonly at: number }[] = [];
  const renewedAt = new Map<number, number>();
  for (let at = start; at < start + 13 * day; at += minute) {
    // Each looks every 15 minutes, at a minute of its own.
    for (let device = 0; device < 100; device++) {
      if ((at / minute + device) % 15 !== 0) continue;
      const commitTimes = renewals.slice(-24).map((each) => each.at);
      const state: ConversationState = { ...open, renewedAt: renewedAt.get(device) ?? start, commitTimes };
      if (!isRenewalDue(state, at, bytes)) continue;
      renewals.push({ device, at });
      renewedAt.set(device, at);
    }
  }
  // None on the first day.
  expect(renewals.length).toBeLessThanOrEqual(12 * 24);
  expect(new Set(renewals.map(({ device }) => device)).size).toBe(100);
  const lastOf = new Map<number, number>();
  for (const { device, at } of renewals) {
    expect(at - (lastOf.get(device) ?? start)).toBeGreaterThanOrEqual(day);
    lastOf.set(device, at);
  }
  for (const [index, { at }] of renewals.entries()) {
    const before = renewals[index - 24];
    if (before !== undefined) expect(at - before.at).toBeGreaterThanOrEqual(day);
  }
});

it("where many find at the same moment that it is due, those who come too late let it be; not those who were asked", () => {
  const busy = { ...pair.atAlice, commitTimes: Array.from({ length: 24 }, (_, index) => start + index * minute) };
  const background = newIntent(pair.alice, { kind: "rotate", unlessBusy: true });
  const asked = newIntent(pair.alice, { kind: "rotate" });
  expect(planFor(pair.alice, busy, background).kind).toBe("done");
  expect(planFor(pair.alice, busy, asked).kind).toBe("commit");
  const calm = { ...busy, commitTimes: busy.commitTimes.slice(1) };
  expect(planFor(pair.alice, calm, background).kind).toBe("commit");
  const spread = { ...busy, commitTimes: [start - day, ...busy.commitTimes.slice(1)] };
  expect(planFor(pair.alice, spread, background).kind).toBe("commit");
});

it("not before it is in, nor while the application has not said whether it wants to be", () => {
  const always = (length: number): Uint8Array => new Uint8Array(length);
  const due = { ...pair.atAlice, renewedAt: 0, commitTimes: [] };
  expect(isRenewalDue(due, start + day, always)).toBe(true);
  expect(isRenewalDue({ ...due, requestBy: "bob" }, start + day, always)).toBe(false);
  expect(isRenewalDue({ ...due, phase: "stuck" }, start + day, always)).toBe(false);
  expect(isRenewalDue(newConversation("g-none", ["alice"]), start + day, always)).toBe(false);
});

describe("a pace of one's own", () => {
  const hour = 3_600_000;
  const always = (length: number): Uint8Array => new Uint8Array(length);
  /** With `count` commits, the last six minutes ago. */
  const after = (count: number, renewedAt = 0): ConversationState => {
    const commitTimes = Array.from({ length: count }, (_, index) => start - (count - index) * (hour / 10));
    return { ...pair.atAlice, renewedAt, commitTimes };
  };

  it("is 24 commits and a day, where nothing is said", () => {
    for (const pace of [undefined, {}, { commitsPerDay: 24, interval: day }]) {
      expect(isRenewalDue(after(23), start, always, pace)).toBe(true);
      expect(isRenewalDue(after(24), start, always, pace)).toBe(false);
      expect(isRenewalDue(after(0, start - day), start, always, pace)).toBe(true);
      expect(isRenewalDue(after(0, start - day + 1), start, always, pace)).toBe(false);
    }
  });

  it("is kept, also by what was planned before", () => {
    expect(isRenewalDue(after(24), start, always, { commitsPerDay: 25 })).toBe(true);
    expect(isRenewalDue(after(25), start, always, { commitsPerDay: 25 })).toBe(false);
    expect(isRenewalDue(after(0, start - 2 * hour), start, always, { interval: 2 * hour })).toBe(true);
    expect(isRenewalDue(after(0, start - 2 * hour + 1), start, always, { interval: 2 * hour })).toBe(false);
    const background = newIntent(pair.alice, { kind: "rotate", unlessBusy: true });
    const planned = (commits: number, commitsPerDay: number): string =>
      planFor({ ...pair.alice, renewals: { commitsPerDay } }, after(commits), background).kind;
    expect(planned(24, 25)).toBe("commit");
    expect(planned(25, 25)).toBe("done");
    expect(planned(2, 2)).toBe("done");
  });

  it("of no commit a day is none; who asks for a renewal gets it", () => {
    const off = { commitsPerDay: 0 };
    expect(isRenewalDue(after(0), start + 400 * day, always, off)).toBe(false);
    const alice = { ...pair.alice, renewals: off };
    expect(planFor(alice, after(0), newIntent(alice, { kind: "rotate", unlessBusy: true })).kind).toBe("done");
    expect(planFor(alice, after(0), newIntent(alice, { kind: "rotate" })).kind).toBe("commit");
  });

  it("decides nothing about the commits of others", async () => {
    const { log, alice, bob, ...ends } = await couple();
    let { atAlice } = ends;
    for (let i = 0; i < 30; i++) {
      const { state } = await rotatePending(alice, atAlice);
      log.commit(state.pending!.commit, "alice", { id: state.pending!.entry });
      atAlice = (await apply(alice, state, log.entries.slice(-1))).state;
    }
    const paces = [undefined, { commitsPerDay: 0 }, { commitsPerDay: 2 }, { commitsPerDay: 1_000, interval: hour }];
    const steps = await Promise.all(
      paces.map((renewals) => apply({ ...bob, renewals }, ends.atBob, log.entries.slice(1))),
    );
    expect(steps.map(({ state }) => state.commitTimes.length)).toEqual([24, 0, 2, 30]);
    const judged = steps.map(({ items, state }) => ({ items, state: { ...state, commitTimes: [] } }));
    for (const each of judged) expect(each).toEqual(judged[0]);
    expect(judged[0]!.items.map(({ kind }) => kind)).toEqual(Array.from({ length: 30 }, () => "keysChanged"));
  });
});
