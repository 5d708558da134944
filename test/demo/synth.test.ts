import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { synthesise } from "../../demo/synth.ts";

let root: string;
let runs: number;

const synth = () =>
  synthesise(
    root,
    () => {},
    async (_root, directory) => {
      runs++;
      await mkdir(directory, { recursive: true });
      await writeFile(join(directory, "manifest.json"), "{}");
      await writeFile(join(directory, "TacitData.template.json"), "{}");
    },
  );

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "tacit-synth-"));
  runs = 0;
  await mkdir(join(root, "lambdas", "core"), { recursive: true });
  await writeFile(join(root, "lambdas", "core", "append.ts"), "one");
  await writeFile(join(root, "cdk.json"), "{}");
});

afterEach(() => rm(root, { recursive: true }));

test("what was synthesised is used again while nothing changes", async () => {
  expect(await synth()).toBe(join(root, "cdk.out"));
  await synth();
  expect(runs).toBe(1);
});

test.each([
  ["a source changes", "lambdas/core/append.ts"],
  ["a source is new", "lambdas/core/commit.ts"],
  ["the configuration changes", "cdk.json"],
  ["somebody else synthesised into the directory", "cdk.out/TacitData.template.json"],
])("it is synthesised anew when %s", async (_what, file) => {
  await synth();
  await writeFile(join(root, file), "two");
  await synth();
  expect(runs).toBe(2);
});

test("a synthesis that failed leaves nothing to be used again", async () => {
  await synth();
  await writeFile(join(root, "cdk.json"), "broken");
  await expect(
    synthesise(
      root,
      () => {},
      () => Promise.reject(new Error("no")),
    ),
  ).rejects.toThrow("no");
  await synth();
  expect(runs).toBe(2);
});
