/** How often a device is put in anew, who may do it still, and how soon it asks again. */
import { isReadmitted, mayReadmit, type Readmission } from "../../../client/src/session/repair/readmissions.ts";
import { notBefore } from "../../../client/src/session/repair/repairPauses.ts";
import { stuck } from "../../../client/src/session/reading/applied.ts";
import { wantRepair } from "../../../client/src/session/repair/wantRepair.ts";
import { couple, groupOfTwo, now } from "../support/devices.ts";

const minute = 60_000;
const day = 24 * 60 * minute;
const bobs = "B".repeat(43);

function done(by: string, ...times: readonly number[]): readonly Readmission[] {
  return times.map((at) => ({ device: bobs, at, by }));
}

describe("putting in anew", () => {
  it("is done three times a day by each account, whatever others do", () => {
    const at = (...readmissions: readonly Readmission[]) => ({ readmissions });
    const may = (state: { readonly readmissions: readonly Readmission[] }, by: string): boolean =>
      mayReadmit(state, { device: bobs, by }, now);
    const byMallory = done("mallory", now - 5, now - 4, now - 3, now - 2);
    expect(may(at(...byMallory), "alice")).toBe(true);
    expect(may(at(...byMallory, ...done("alice", now - 9, now - 8)), "alice")).toBe(true);
    expect(may(at(...done("alice", now - 9, now - 8, now - 7)), "alice")).toBe(false);
    expect(may(at(...done("alice", now - day, now - 8, now - 7)), "alice")).toBe(true);
    expect(may(at(...done("alice", now - 9, now - 8, now - 7)), "bob")).toBe(true);
  });

  it("counts as done for others as long as nobody would have stopped: whoever is always faster, to no use, is passed over", () => {
    const answered = (...readmissions: readonly Readmission[]): boolean => isReadmitted({ readmissions }, bobs, now);
    expect(answered()).toBe(false);
    expect(answered(...done("mallory", now - 1))).toBe(false);
    expect(answered(...done("mallory", now))).toBe(true);
    expect(answered(...done("mallory", now - 20, now - 10, now))).toBe(true);
    expect(answered(...done("mallory", now - 30, now - 20, now - 10, now))).toBe(false);
    expect(answered(...done("mallory", now - 30, now - 20, now - 10, now), ...done("alice", now + 1))).toBe(true);
    expect(answered(...done("mallory", now - 3 * day, now - 2 * day, now - day, now))).toBe(true);
  });
});

describe("a device that was put in anew because it asked", () => {
  it("waits longer each time before it asks again, within a day", async () => {
    expect(notBefore([], now)).toBe(now);
    expect(notBefore([now], now)).toBe(now + 2 * minute);
    expect(notBefore([now - minute, now], now)).toBe(now + 10 * minute);
    expect(notBefore([now - 2, now - 1, now], now)).toBe(now + 60 * minute);
    expect(notBefore([now - 2 * day, now - day, now - 3 * minute], now)).toBe(now);
    const { atBob } = await couple(groupOfTwo);
    const restored = { ...atBob, restored: [now - 1, now] };
    const due = now + 10 * minute;
    expect(stuck(restored, { seq: 2, storedAt: now }).state.repair).toMatchObject({ attempts: 0, due });
    expect(wantRepair(restored, "bob", now)?.state.repair).toMatchObject({ attempts: 0, due });
  });
});
