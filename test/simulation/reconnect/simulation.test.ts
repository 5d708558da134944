/** A share of `npm run simulate -- reconnect`: as many clients for each new connection a second as there, in less of both. */
import { afterCut, afterHint, afterOutage, renewals } from "./simulate.ts";

const options = { seed: 3, clients: 600, perSecond: 30 };

test("those who lost their sockets as one are all back, most of them as fast as the gateway lets them in", async () => {
  const { most, all, stranded, attempts } = await afterCut(options);
  expect(stranded).toBe(0);
  expect(most).toBeLessThan(32);
  expect(all).toBeLessThan(45);
  expect(attempts).toBeLessThan(2 * options.clients);
}, 60_000);

test("an outage ends, with and without a hint: nobody stays away for longer than the longest wait, and what was failing before a hint does not count after it", async () => {
  const quiet = await afterOutage(options);
  expect(quiet).toMatchObject({ stranded: 0, refused: 0 });
  expect(quiet.all).toBeLessThan(47);
  const told = await afterHint(options);
  expect(told.stranded).toBe(0);
  expect(told.half).toBeLessThan(12);
  expect(told.all).toBeLessThan(47);
}, 60_000);

test("leases that began in one second are not renewed in one", async () => {
  const result = await renewals({ ...options, clients: 300 }, 3);
  expect(result).toMatchObject({ refused: 0, gaps: 0, expired: 0 });
  expect(result.renewals).toBeGreaterThanOrEqual(300);
  expect(result.highest).toBeLessThanOrEqual(6);
}, 60_000);

test("the same seed, the same run", async () => {
  const few = { ...options, clients: 300 };
  const first = await afterCut(few);
  expect(await afterCut(few)).toEqual(first);
  expect(await afterCut({ ...few, seed: 4 })).not.toEqual(first);
}, 60_000);
