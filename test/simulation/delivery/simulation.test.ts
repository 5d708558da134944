/** A share of `npm run simulate -- delivery`: a few seeds, and a run that replays. */
import { simulateDelivery, type DeliveryOptions } from "./simulate.ts";

const hour = 3_600_000;
const retention = 90 * 24 * hour;
const happened: Record<string, number> = {};

test.each([
  [21, 90 * 24, 1],
  [22, 90 * 24, 1],
  [23, 90 * 24, 1],
  [24, 90 * 24, 1],
  [25, 3, 1],
  [26, 48, 4],
])(
  "seed %i, entries live for %i hours, %i times the usual absences: everything arrives once, in order and readable",
  async (seed, hours, absences) => {
    const options = { seed, clients: 6, messages: 300, retention: hours * hour, absences };
    const { faults, ...result } = await simulateDelivery(options);
    expect(result).toMatchObject({ lost: 0, duplicated: 0, reordered: 0, unreadable: 0, other: 0, findings: [] });
    expect(result.delivered).toBeGreaterThan(150);
    for (const [kind, count] of Object.entries(faults)) happened[kind] = (happened[kind] ?? 0) + count;
  },
  300_000,
);

test("the faults were real ones", () => {
  const rare = ["functionKilledBeforeWrite", "functionKilledAfterWrite", "portErrorAfterWrite", "clientCrashed"];
  for (const kind of ["ttlDeleted", "portThrottled", "platformThrottled", "clockJumped"]) {
    expect(happened[kind]).toBeGreaterThan(0);
  }
  for (const kind of rare) expect(happened[kind]).toBeGreaterThan(2);
  const often = ["transactionConflict", "writeRepeated", "doorbellLost", "doorbellLate", "doorbellDoubled"];
  for (const kind of [...often, "doorbellReordered", "socketStale"]) expect(happened[kind]).toBeGreaterThan(10);
});

test("the same seed, the same run", async () => {
  const options: DeliveryOptions = { seed: 31, clients: 6, messages: 150, retention };
  const first = await simulateDelivery(options);
  expect(await simulateDelivery(options)).toEqual(first);
  expect((await simulateDelivery({ ...options, seed: 32 })).trace).not.toBe(first.trace);
}, 300_000);
