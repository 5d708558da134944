/** `npm start -- --once` as a newcomer runs it. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { allLines } from "../../demo/script.ts";

const root = join(__dirname, "..", "..");

test("twenty messages, one crash, and a report that says so", async () => {
  const { code, output } = await new Promise<{ code: number | null; output: string }>((resolve) => {
    const child = execFile(
      process.execPath,
      ["--import", "tsx", join("demo", "start.ts"), "--once"],
      { cwd: root, timeout: 120_000, killSignal: "SIGKILL" },
      (_error, stdout, stderr) => resolve({ code: child.exitCode, output: `${stdout}\n${stderr}` }),
    );
  });
  expect({ code, output }).toEqual({ code: 0, output: expect.any(String) });
  const places = allLines.map(({ text }) => output.indexOf(text));
  expect(places.every((place) => place > 0)).toBe(true);
  for (const side of ["alice", "bob"]) {
    const own = places.filter((_, index) => allLines[index]?.from === side);
    expect(own).toEqual([...own].sort((left, right) => left - right));
  }
  expect(output).toContain("Bob's process was killed");
  expect(output).toMatch(/Log +\d+ +[\d,]+/);
  expect(output).toMatch(/together +0\.\d+/);
  expect(output).toContain("20 messages, each exactly once and in order on both sides");
}, 125_000);
