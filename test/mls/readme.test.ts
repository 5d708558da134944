/** The README tells the truth: its example is the one that compiles and runs, and its table names files that exist. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { example } from "./readmeExample.ts";

const readme = readFileSync(join(__dirname, "../../mls/README.md"), "utf8");

test("the example is the compiled one, and works", async () => {
  const source = readFileSync(join(__dirname, "readmeExample.ts"), "utf8");
  expect(readme).toContain("```ts\n" + source + "```");
  expect(await example()).toBe("hello, Bob");
});

test("every section from 2.1 to 15 has a file, and every file is there", () => {
  const rows = readme.split("\n").filter((line) => /^\| (\d|Appendix)/.test(line));
  const files = rows.flatMap((row) => [...row.matchAll(/`(\w+\.ts)`/g)].map((match) => match[1] as string));
  expect(files.filter((file) => !existsSync(join(__dirname, "../../mls/src", file)))).toEqual([]);
  for (const section of [
    "2.1",
    "4.1",
    "5.1",
    "5.2",
    "5.3",
    "6",
    "7.2",
    "7.3",
    "7.8",
    "7.9",
    "8.4",
    "9",
    "10",
    "11",
    "12.2",
    "13",
    "14",
    "15",
  ]) {
    expect(rows.some((row) => row.split("|")[1]?.split(/[ ,]+/).includes(section))).toBe(true);
  }
});
