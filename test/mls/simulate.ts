/** The random model from the command line: `npx tsx test/mls/simulate.ts --seed 1 --steps 1000 [--maximum 64] [--json]`. */
import { parseArgs } from "node:util";
import { simulate } from "./model.ts";
import { suiteIds } from "./world.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    steps: { type: "string", default: "1000" },
    maximum: { type: "string", default: "64" },
    json: { type: "boolean", default: false },
  },
});

/** Steps of one group, before another begins. */
const stepsPerGroup = 200;

async function run(seed: number, steps: number, maximum: number) {
  const totals = { steps: 0, disagreements: 0, leaks: 0, commits: 0, refused: 0, largest: 0, groups: 0 };
  for (let group = 0; totals.steps < steps; group++) {
    const result = await simulate({
      suite: suiteIds[group % suiteIds.length] as number,
      seed: seed * 100_000 + group,
      steps: Math.min(stepsPerGroup, steps - totals.steps),
      maximum: 2 + ((group * 31 + seed * 17) % (maximum - 1)),
    });
    totals.steps += result.steps;
    totals.disagreements += result.disagreements;
    totals.leaks += result.leaks;
    totals.commits += result.commits;
    totals.refused += result.refused;
    totals.largest = Math.max(totals.largest, result.largest);
    totals.groups++;
  }
  return totals;
}

run(Number(values.seed), Number(values.steps), Number(values.maximum)).then(
  (totals) => {
    console.log(values.json ? JSON.stringify(totals) : totals);
    process.exitCode = totals.disagreements + totals.leaks === 0 ? 0 : 1;
  },
  (error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  },
);
