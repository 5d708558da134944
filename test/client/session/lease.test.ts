/** When a lease is renewed, and how long to stay away: what is promised for every roll of the dice. */
import fc from "fast-check";
import { backoff, patientBackoff, reconnectBackoff, retryBackoff } from "../../../client/src/session/backoff.ts";
import { planLease } from "../../../client/src/session/lease.ts";

const hour = 3_600_000;
const uniform = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const serverTime = 1_800_000_000_000;

test("a fresh lease is renewed in its last quarter, and not in its last twentieth", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1_000, max: 24 * hour }), uniform, (length, roll) => {
      const { until, renewAt } = planLease({ leaseUntil: serverTime + length, serverTime }, undefined, roll);
      expect(until).toBe(serverTime + length);
      expect(renewAt - serverTime).toBeGreaterThanOrEqual(0.75 * length - 1);
      expect(renewAt - serverTime).toBeLessThanOrEqual(0.95 * length + 1);
    }),
  );
});

test("a token from a cache is asked for again in the last minute, then at its end", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: hour }), uniform, (left, roll) => {
      const before = { until: serverTime + left, renewAt: serverTime };
      const { until, renewAt } = planLease({ leaseUntil: serverTime + left, serverTime }, before, roll);
      const ahead = until - renewAt;
      if (left > 90_000) expect(ahead).toBeGreaterThan(29_000);
      else expect(ahead).toBe(0);
      expect(ahead).toBeLessThanOrEqual(60_000);
    }),
  );
});

test("a lease that is over is renewed at once, and never before it began", () => {
  const { renewAt } = planLease({ leaseUntil: serverTime - hour, serverTime }, undefined, 0.5);
  expect(renewAt).toBe(serverTime - hour);
});

test.each([reconnectBackoff, patientBackoff, retryBackoff])(
  "a delay is within its bound, and grows to the cap: %j",
  (options) => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1_000 }), uniform, (attempt, roll) => {
        const delay = backoff(options, attempt, roll);
        expect(delay).toBeGreaterThanOrEqual(0);
        expect(delay).toBeLessThan(options.cap);
        if (attempt === 0) expect(delay).toBeLessThan(options.first ?? options.base);
      }),
    );
    expect(backoff(options, 40, 0.999_999)).toBeGreaterThan(0.99 * options.cap);
    expect(backoff(options, 1, 0.999_999)).toBeGreaterThan(0.99 * options.base);
  },
);
