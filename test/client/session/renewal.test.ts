/** When devices renew their keys by themselves: a day, a group of a hundred, and nobody who asks for it. */
import { newConversation, type ConversationState } from "../../../client/src/session/conversation.ts";
import { newIntent, planFor } from "../../../client/src/session/intents.ts";
import { createPending } from "../../../client/src/session/pendingCommit.ts";
import { isRenewalDue } from "../../../client/src/session/renewal.ts";
import { seededRandom } from "../../support/memoryPorts.ts";
import { couple, device, groupOfTwo, keyPackageOf, now as start, type Couple } from "../support/devices.ts";

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
