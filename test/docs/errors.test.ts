/** The table of failures in the client's README is that of its code. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";

const root = join(__dirname, "../..");

test("the client's README lists every error code under its remedy", async () => {
  const source = await readFile(join(root, "client/src/errors.ts"), "utf8");
  const readme = await readFile(join(root, "client/README.md"), "utf8");
  const codes = [...source.matchAll(/^ {2}(\w+): \[(?:true|false), "(\w+)"\]/gm)].map(([, code, remedy]) => [
    code,
    remedy,
  ]);
  expect(codes.length).toBeGreaterThan(30);
  for (const [code, remedy] of codes) {
    const row = readme.split("\n").find((line) => line.startsWith(`| \`${remedy}\``));
    expect([code, row?.includes(`\`${code}\``)]).toEqual([code, true]);
  }
});
