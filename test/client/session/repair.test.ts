/** How a device keeps count of asking to be put in anew. */
import {
  callBegun,
  callEnded,
  hasCalled,
  isRefused,
  newRepair,
  roundBegun,
  roundEnded,
  type Repair,
  type Round,
} from "../../../client/src/session/repair/repair.ts";

const now = 1_700_000_000_000;
const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
/** Chance that takes the shortest pause, which is three quarters of the mean. */
const shortest = (length: number): Uint8Array => new Uint8Array(length);
const reached: Round = { reached: 2, refused: 0, isCut: false };
const refused: Round = { reached: 0, refused: 3, isCut: false };
const cut: Round = { reached: 0, refused: 0, isCut: true };
const nobody: Round = { reached: 0, refused: 0, isCut: false };

/** After these rounds; undefined: it is over. */
function after(...rounds: readonly Round[]): Repair | undefined {
  return rounds.reduce<Repair | undefined>(
    (repair, round) => repair && roundEnded(roundBegun(repair, now, shortest), round, now, shortest),
    newRepair(7, now),
  );
}

function pauseAfter(...rounds: readonly Round[]): number {
  return ((after(...rounds)?.due ?? NaN) - now) / 0.75;
}

describe("rounds of requests", () => {
  it("come later and later, up to a day", () => {
    const rounds = Array.from({ length: 7 }, () => reached);
    const pauses = rounds.map((_, index) => pauseAfter(...rounds.slice(0, index + 1)));
    expect(pauses).toEqual([20 * second, 2 * minute, 10 * minute, hour, 6 * hour, 24 * hour, 24 * hour]);
  });

  it("are counted before they are sent: the pause is there whatever happens then", () => {
    expect(roundBegun(newRepair(7, 0), now, shortest)).toEqual({ attempts: 1, after: 7, due: now + 15 * second });
  });

  it("come soon again where they begin to be refused, however many there were before", () => {
    const long = Array.from({ length: 6 }, () => reached);
    expect(pauseAfter(...long, refused)).toBe(2 * minute);
    expect(pauseAfter(...long, refused, refused)).toBe(10 * minute);
    expect(pauseAfter(...long, refused, reached)).toBe(24 * hour);
  });

  it("that are refused count in a row: one that was answered, or reached nobody, ends it", () => {
    expect(after(refused, refused)?.refused).toBe(2);
    expect(after(refused, cut, refused)?.refused).toBe(2);
    expect(after(refused, reached, refused)?.refused).toBe(1);
    expect(after(refused, nobody, refused)?.refused).toBe(1);
    expect(isRefused(after(refused)!)).toBe(true);
    expect(isRefused(after(refused, reached)!)).toBe(false);
  });

  it("end for good with the fourth refusal, and not before the fifth round", () => {
    expect(after(refused, refused, refused, refused)).toMatchObject({ attempts: 4, refused: 4 });
    expect(after(refused, refused, refused, refused, refused)).toBeUndefined();
    expect(after(reached, refused, refused, refused)).toMatchObject({ refused: 3 });
    expect(after(reached, refused, refused, refused, refused)).toBeUndefined();
    expect(after(refused, refused, refused, refused, cut)).toMatchObject({ attempts: 5, refused: 4 });
  });
});

describe("asking once more before going on elsewhere", () => {
  const before: Repair = { ...newRepair(7, now - 1), attempts: 6 };
  const begun = callBegun(before, now);

  it("is tried again within the hour where nothing came back", () => {
    expect(begun.due).toBe(now + hour);
    expect(callEnded(before, begun, cut, now)).toBe(begun);
  });

  it("holds for an hour where somebody was reached, or nobody could be asked", () => {
    for (const round of [reached, nobody, { ...reached, refused: 1 }]) {
      const called = callEnded(before, begun, round, now);
      expect(called).toEqual({ ...before, called: now });
      expect(hasCalled(called, now + hour - 1)).toBe(true);
      expect(hasCalled(called, now + hour)).toBe(false);
    }
  });

  it("is a refusal where the relay says that the account is out", () => {
    const said = callEnded(before, begun, refused, now);
    expect(isRefused(said)).toBe(true);
    expect(hasCalled(said, now)).toBe(false);
  });
});
