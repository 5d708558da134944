/** A share of `npm run simulate -- delivery`: a few seeds, and a run that replays. */
import { simulateDelivery, type DeliveryOptions } from "./simulate.ts";

const retention = 90 * 86_400_000;
const happened: Record<string, number> = {};

test.each([21, 22, 23, 24])(
  "seed %i: everything arrives once, in order and readable",
  async (seed) => {
    const { faults, ...result } = await simulateDelivery({ seed, clients: 6, messages: 300, retention });
    expect(result).toMatchObject({ lost: 0, duplicated: 0, reordered: 0, unreadable: 0, other: 0, findings: [] });
    expect(result.delivered).toBeGreaterThan(150);
    for (const [kind, count] of Object.entries(faults)) happened[kind] = (happened[kind] ?? 0) + count;
  },
  300_000,
);

test("the faults were real ones", () => {
  const rare = ["functionKilledBeforeWrite", "functionKilledAfterWrite", "portErrorAfterWrite", "clientCrashed"];
  for (const kind of rare) expect(happened[kind]).toBeGreaterThan(2);
  const often = ["transactionConflict", "writeRepeated", "doorbellLost", "doorbellLate", "doorbellDoubled"];
  for (const kind of [...often, "doorbellReordered", "socketStale"]) expect(happened[kind]).toBeGreaterThan(10);
});

test("the same seed, the same run", async () => {
  const options: DeliveryOptions = { seed: 31, clients: 3, messages: 100, retention };
  const first = await simulateDelivery(options);
  expect(await simulateDelivery(options)).toEqual(first);
  expect((await simulateDelivery({ ...options, seed: 32 })).trace).not.toBe(first.trace);
}, 300_000);
