/** The random model, a share of it: `simulate` runs as many steps as one likes. */
import { simulate } from "./model.ts";
import { suiteIds } from "./world.ts";

test.each(suiteIds)(
  "suite %i: members agree after every step, and nothing leaks to the removed",
  async (suite) => {
    const totals = { steps: 0, disagreements: 0, leaks: 0, commits: 0, refused: 0 };
    for (let seed = 1; seed <= 2; seed++) {
      const result = await simulate({ suite, seed: seed * 100 + suite, steps: 50, maximum: 12 });
      totals.steps += result.steps;
      totals.disagreements += result.disagreements;
      totals.leaks += result.leaks;
      totals.commits += result.commits;
      totals.refused += result.refused;
    }
    expect(totals).toMatchObject({ steps: 100, disagreements: 0, leaks: 0 });
    expect(totals.commits).toBeGreaterThan(25);
    expect(totals.refused).toBeGreaterThan(10);
  },
  120_000,
);
