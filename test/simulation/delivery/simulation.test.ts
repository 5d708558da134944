/** A share of `npm run simulate -- delivery`: a few seeds, and a run that replays. */
import { simulateDelivery, type DeliveryOptions } from "./simulate.ts";

const day = 86_400_000;
const clean = { lost: 0, duplicated: 0, reordered: 0, unreadable: 0, other: 0, findings: [] };

test.each([21, 22, 23])(
  "seed %i: everything arrives once, in order and readable",
  async (seed) => {
    const result = await simulateDelivery({ seed, clients: 6, messages: 300, retention: 90 * day });
    expect(result).toMatchObject(clean);
    expect(result.delivered).toBeGreaterThan(150);
  },
  60_000,
);

test("the faults are real ones", async () => {
  const total: Record<string, number> = {};
  for (let seed = 41; seed < 43; seed++) {
    const { faults, ...result } = await simulateDelivery({ seed, clients: 8, messages: 500, retention: 90 * day });
    expect(result).toMatchObject(clean);
    for (const [kind, count] of Object.entries(faults)) total[kind] = (total[kind] ?? 0) + count;
  }
  const often = [
    "functionKilledBeforeWrite",
    "functionKilledAfterWrite",
    "transactionConflict",
    "writeRepeated",
    "clientCrashed",
  ];
  for (const kind of often) expect(total[kind]).toBeGreaterThan(5);
  const bells = ["doorbellLost", "doorbellLate", "doorbellDoubled", "doorbellReordered", "socketStale", "socketCut"];
  for (const kind of bells) expect(total[kind]).toBeGreaterThan(10);
}, 60_000);

test("the same seed, the same run", async () => {
  const options: DeliveryOptions = { seed: 31, clients: 5, messages: 150, retention: 90 * day };
  const first = await simulateDelivery(options);
  expect(await simulateDelivery(options)).toEqual(first);
  expect((await simulateDelivery({ ...options, seed: 32 })).trace).not.toBe(first.trace);
}, 60_000);
