import { createRequire } from "node:module";
/** One group, two libraries: this engine and ts-mls 1.6.4 follow random schedules together and agree after each step. */
import { getCipherSuite } from "@tacit/mls";
import { nodeProvider } from "@tacit/mls/providers/node";
import { ourPeer } from "../../bench/mls/peers/ours.ts";
import { tsMlsPeer } from "../../bench/mls/peers/tsMls.ts";
import { dice, runSchedule, type Factory, type ScheduleResult } from "./schedule.ts";

jest.setTimeout(120_000);

const now = BigInt(Math.floor(Date.now() / 1000));

function factories(suiteId: number): { readonly ours: Factory; readonly theirs: Factory } {
  const suite = getCipherSuite(suiteId, nodeProvider());
  return {
    ours: (name) => ourPeer({ suite, name, now }),
    theirs: (name) => tsMlsPeer(suiteId, name, now),
  };
}

/** What ts-mls 1.6.4 gets wrong, by the message with which it fails; everything else must work. */
const joinDefects = [
  // It misreads unmerged leaves (RFC 9420, section 7.9.2) in groups that grew while members updated.
  "must list leaf node in its unmerged_leaves",
];
const removalDefects = [
  // A member whose leaf is given to somebody else by the commit that removes it looks for a path secret of its own.
  "No overlap between provided private keys and update path",
];

/** ts-mls takes ChaCha20-Poly1305 from an optional package. */
const hasChaCha = ((): boolean => {
  try {
    createRequire(createRequire(__filename).resolve("../../bench/package.json")).resolve("@hpke/chacha20poly1305");
    return true;
  } catch {
    return false;
  }
})();

describe.each([
  ["0x0001", 0x0001],
  ["0x0002", 0x0002],
  ["0x0003", 0x0003],
])("suite %s with ts-mls", (_, suiteId) => {
  const { ours, theirs } = factories(suiteId);
  const results: ScheduleResult[] = [];

  const skip = suiteId === 0x0003 && !hasChaCha;
  const each = skip ? test.skip.each : test.each;
  each([
    ["this engine", 1, true],
    ["this engine", 2, true],
    ["ts-mls", 3, false],
    ["ts-mls", 4, false],
  ])(
    skip ? "needs @hpke/chacha20poly1305: %s, seed %i" : "a group created by %s, seed %i",
    async (__, seed, oursFirst) => {
      const result = await runSchedule({
        random: dice(seed * 1000 + suiteId),
        create: oursFirst ? ours : theirs,
        others: [ours, theirs],
        steps: 14,
        joinDefects,
        removalDefects,
      });
      results.push(result);
      expect(result.commits.get("@tacit/mls") ?? 0).toBeGreaterThan(0);
      expect(result.commits.get("ts-mls") ?? 0).toBeGreaterThan(0);
    },
  );

  afterAll(() => {
    if (results.length === 0) return;
    const sum = (pick: (result: ScheduleResult) => number): number =>
      results.reduce((all, each) => all + pick(each), 0);
    console.log(
      `suite ${suiteId}: ${sum((r) => r.messages)} messages, ${sum((r) => [...r.commits.values()].reduce((a, b) => a + b, 0))} commits, ` +
        `${sum((r) => r.joins)} joins, ${sum((r) => r.failedJoins)} joins and ${sum((r) => r.failedRemovals)} removals that ts-mls fails by a known defect`,
    );
  });
});
