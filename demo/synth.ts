/** Brings `cdk.out` up to date: runs `cdk synth` where its inputs, or what it wrote, changed since. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join, relative } from "node:path";
import { setTimeout as wait } from "node:timers/promises";

/** What the templates and the bundles within them are made from. */
const inputs = ["bin", "lib", "lambdas", "protocol/src", "cdk.json", "package-lock.json", "tsconfig.json"];
const outputDirectory = "cdk.out";
const stampFile = "demo-stamp";

/** How often a synthesis that somebody else runs is waited for, a second each. */
const patience = 60;
const otherSynth = /(Another CLI|Other CLIs) \(PID=/;

class OtherSynthError extends Error {
  constructor() {
    super(`another "cdk synth" is still writing ${outputDirectory}`);
  }
}

/** The directory of an assembly that matches the sources below `root`. */
export async function synthesise(
  root: string,
  report: (line: string) => void,
  run: (root: string, directory: string) => Promise<void> = runCdk,
): Promise<string> {
  const directory = join(root, outputDirectory);
  for (let attempt = 1; ; attempt++) {
    const before = hashOf(root, inputs);
    if (readStamp(directory) === stampOf(before, directory)) return directory;
    if (attempt === 1) report("Synthesising the templates (cdk synth) …");
    try {
      await run(root, directory);
      writeFileSync(join(directory, stampFile), stampOf(before, directory));
      return directory;
    } catch (error) {
      if (!(error instanceof OtherSynthError) || attempt === patience) throw error;
      await wait(1_000);
    }
  }
}

/** Also over what was written, so that another `cdk synth` into the same directory is noticed. */
function stampOf(inputHash: string, directory: string): string {
  const written = existsSync(directory)
    ? readdirSync(directory).filter((name) => name === "manifest.json" || name.endsWith(".template.json"))
    : [];
  return `${inputHash} ${hashOf(directory, written)}`;
}

function readStamp(directory: string): string | undefined {
  const file = join(directory, stampFile);
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}

function hashOf(root: string, names: readonly string[]): string {
  const hash = createHash("sha256");
  for (const file of names.flatMap((name) => filesBelow(join(root, name))).sort()) {
    const content = readFileSync(file);
    hash.update(`${relative(root, file)}\0${content.length}\0`).update(content);
  }
  return hash.digest("hex");
}

function filesBelow(path: string): string[] {
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .filter((name) => name !== "node_modules")
    .flatMap((name) => filesBelow(join(path, name)));
}

/** Needs neither network nor credentials. The validation of templates is the business of `npm run verify`. */
function runCdk(root: string, directory: string): Promise<void> {
  const require = createRequire(join(root, "package.json"));
  const child = spawn(
    process.execPath,
    [
      join(dirname(require.resolve("aws-cdk/package.json")), "bin", "cdk"),
      "synth",
      "--quiet",
      "--no-notices",
      "--no-version-reporting",
      "--output",
      directory,
    ],
    {
      cwd: root,
      env: {
        ...process.env,
        CDK_VALIDATION: "false",
        CDK_DISABLE_CLI_TELEMETRY: "true",
        // cdk.json runs the app with tsx, which npm would have put there.
        PATH: [join(root, "node_modules", ".bin"), process.env["PATH"] ?? ""].join(delimiter),
      },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString("utf8")));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString("utf8")));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve();
      else if (otherSynth.test(output)) reject(new OtherSynthError());
      else reject(new Error(`cdk synth failed (exit code ${code ?? "none"}):\n${output.trim()}`));
    });
  });
}
