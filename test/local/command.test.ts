import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { sampleAssembly } from "./sampleCloud.ts";

const main = fileURLToPath(new URL("../../local/src/main.ts", import.meta.url));

/** Runs the command; once `until` was printed it is asked to end. */
function run(
  args: readonly string[],
  until = /$^/,
): Promise<{ readonly code: number | null; readonly output: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ["--import", "tsx", main, ...args]);
    let output = "";
    const read = (chunk: Buffer) => {
      output += chunk.toString();
      if (!until.test(output) || child.killed) return;
      child.kill("SIGTERM");
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.on("close", (code) => resolve({ code, output }));
  });
}

describe("command", () => {
  test("prints where everything is and what it replaced, and ends when asked to", async () => {
    const { code, output } = await run(["--assembly", sampleAssembly, "--env", "GREETING={issuer}/x"], /replaced .*\n/);
    expect(output).toMatch(/socket +ws:\/\/127\.0\.0\.1:\d+\/v1\n/);
    expect(output).toMatch(/replaced GREETING=http:\/\/127\.0\.0\.1:\d+\/oidc\/x\n/);
    expect(code).toBe(0);
  });

  test("says what is wrong, without a trace", async () => {
    const { code, output } = await run(["--assembly", fileURLToPath(new URL(".", import.meta.url))]);
    expect(output).toMatch(/holds no manifest\.json/);
    expect(output).not.toMatch(/ at /);
    expect(code).toBe(1);
  });
});
