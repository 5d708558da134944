/**
 * Mutation testing of the validation code: applies each mutant of the list, one at a time, to a copy of the package, and expects
 * one of its tests to fail. `npx tsx test/mls/mutation/run.ts [file] [--json]`; exit code 1 when a mutant survives, does
 * not run, or its text is not in the engine any more.
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { render } from "../../../bench/report.ts";
import { mutants, type Mutant } from "./mutants.ts";

const repository = resolve(import.meta.dirname, "../../..");

type Verdict = "killed" | "survived" | "equivalent" | "text not found" | "broken code";

/** The engine and its tests, with the installed packages linked; never the work tree itself. */
function copyPackage(): string {
  const workspace = mkdtempSync(join(tmpdir(), "tacit-mutation-"));
  mkdirSync(join(workspace, "mls"));
  for (const name of ["package.json", "tsconfig.json", "jest.config.js", "mls/src", "mls/package.json", "test/mls"]) {
    cpSync(join(repository, name), join(workspace, name), { recursive: true });
  }
  for (const name of ["node_modules", "mls/node_modules"]) {
    if (existsSync(join(repository, name))) symlinkSync(join(repository, name), join(workspace, name));
  }
  return workspace;
}

/** The output of tests that failed; undefined when all passed. */
function failure(workspace: string, tests: readonly string[]): string | undefined {
  const files = tests.map((name) => `test/mls/${name}.test.ts`).filter((file) => existsSync(join(workspace, file)));
  if (files.length === 0) throw new Error(`none of the tests exists: ${tests.join()}`);
  const jest = join(repository, "node_modules/jest/bin/jest.js");
  const options = ["--bail", "--silent", "--runInBand", "--reporters=default"];
  const run = spawnSync(process.execPath, [jest, ...files, ...options], {
    cwd: workspace,
    encoding: "utf8",
    timeout: 120_000,
  });
  return run.status === 0 ? undefined : `${run.stdout}${run.stderr}`;
}

function judge(workspace: string, mutant: Mutant): Verdict {
  const path = join(workspace, "mls/src", mutant.file);
  const source = readFileSync(path, "utf8");
  if (source.split(mutant.search).length !== 2) return "text not found";
  if (mutant.equivalent !== undefined) return "equivalent";
  writeFileSync(
    path,
    source.replace(mutant.search, () => mutant.replacement),
  );
  try {
    const output = failure(workspace, mutant.tests);
    if (output === undefined) return "survived";
    // A mutant that does not run proves nothing about the tests.
    return /SyntaxError|ReferenceError|is not a function|Cannot find module/.test(output) ? "broken code" : "killed";
  } finally {
    writeFileSync(path, source);
  }
}

function main(args: readonly string[]): number {
  const wanted = args.filter((arg) => !arg.startsWith("--"));
  const chosen = mutants.filter(({ file }) => wanted.length === 0 || wanted.includes(file));
  const workspace = copyPackage();
  const verdicts: { readonly mutant: Mutant; readonly verdict: Verdict }[] = [];
  try {
    const all = [...new Set(chosen.flatMap(({ tests }) => tests))];
    const broken = failure(workspace, all);
    if (broken !== undefined) throw new Error(`the tests fail without a mutant:\n${broken}`);
    for (const mutant of chosen) {
      const verdict = judge(workspace, mutant);
      verdicts.push({ mutant, verdict });
      process.stderr.write(`${verdicts.length}/${chosen.length} ${verdict}: ${mutant.file}, ${mutant.rule}\n`);
    }
  } finally {
    rmSync(workspace, { recursive: true, force: true });
  }
  const count = (verdict: Verdict): number => verdicts.filter((each) => each.verdict === verdict).length;
  const bad = verdicts.filter(({ verdict }) => verdict !== "killed" && verdict !== "equivalent");
  console.log(
    render({
      title: `Mutation testing: ${count("killed")} of ${chosen.length} mutants killed, ${bad.length} to look at`,
      columns: ["section", "file", "rule", "verdict"],
      rows: verdicts
        .filter(({ verdict }) => verdict !== "killed")
        .map(({ mutant, verdict }) => [
          mutant.section,
          mutant.file,
          mutant.rule,
          mutant.equivalent === undefined ? verdict : `${verdict}: ${mutant.equivalent}`,
        ]),
      json: {},
    }),
  );
  if (args.includes("--json")) {
    const survivors = bad.map(({ mutant, verdict }) => `${mutant.section} ${mutant.file} ${mutant.rule}: ${verdict}`);
    console.log(JSON.stringify({ killed: count("killed"), equivalent: count("equivalent"), survivors }));
  }
  return bad.length === 0 ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
