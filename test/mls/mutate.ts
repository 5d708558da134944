/**
 * Mutation testing of the validation code: takes out each check (each `throw` of the files below) in a copy of the package, and
 * shows that a test fails. `npx tsx test/mls/mutate.ts [file] [--json]`; a survivor without a reason below is a failure.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const repository = resolve(import.meta.dirname, "../..");

/** The files whose checks are taken out, and the tests that must notice. */
const targets: Readonly<Record<string, readonly string[]>> = {
  "codec.ts": ["codec"],
  "createGroup.ts": ["limits"],
  "credential.ts": ["codec"],
  "extension.ts": ["codec"],
  "externalCommit.ts": ["external"],
  "externalInit.ts": ["external"],
  "generateKeyPackage.ts": ["limits"],
  "groupContext.ts": ["limits", "codec"],
  "joinGroup.ts": ["joining"],
  "keyPackageValidation.ts": ["commitRules"],
  "leafNodeValidation.ts": ["commitRules", "joining", "publicKeys", "external"],
  "lifetime.ts": ["commitRules", "joining"],
  "parentHash.ts": ["joining"],
  "predecessor.ts": ["succession"],
  "privateMessage.ts": ["framing", "limits"],
  "processCommit.ts": ["commitRules", "external"],
  "processMessage.ts": ["succession", "framing", "limits"],
  "proposalList.ts": ["commitRules", "external"],
  "protectMessage.ts": ["succession"],
  "pskStore.ts": ["succession", "joining"],
  "ratchetTree.ts": ["joining", "commitRules", "framing", "limits"],
  "secretTree.ts": ["framing"],
  "successorGroup.ts": ["succession"],
  "treeKem.ts": ["commitRules", "joining"],
  "treeValidation.ts": ["joining"],
  "unprotectMessage.ts": ["framing", "external"],
};

/** Checks whose absence changes nothing that can be seen, by file and a part of their line. */
const equivalent: readonly (readonly [file: string, part: string, reason: string])[] = [
  ["secretTree.ts", "new Error(", "an internal assertion: no input reaches it"],
  ["codec.ts", "a vector's element is empty", "a guard against endless loops: no structure is empty"],
  ["predecessor.ts", "the state of the group before is needed", "a second line: without it the PSK was not found"],
  ["privateMessage.ts", "outside of the tree", "a second line: every caller asks whether the leaf is a member"],
  ["ratchetTree.ts", "the ratchet tree is too large", "a bound on memory that takes 32 MB of input to reach"],
  ["unprotectMessage.ts", "must not be sent as a public message", "refused twice: processMessage does so as well"],
  ["processMessage.ts", "application data comes from members alone", "refused twice: unprotect does so first"],
  [
    "treeKem.ts",
    "the update path holds nothing",
    "a second line: a member below no copath node is the committer itself",
  ],
  ["treeKem.ts", "has no key for the update path", "a second line: every member has the key of its own leaf"],
  ["proposalList.ts", "only members can be updated", "a second line: checkSenderMayPropose refuses it first"],
];

interface Mutant {
  readonly file: string;
  readonly line: number;
  readonly text: string;
  readonly source: string;
}

function mutantsOf(file: string, source: string): Mutant[] {
  return [...source.matchAll(/\bthrow (?!error\b|reason\b)/g)].map((match) => {
    const rest = source.slice(match.index);
    return {
      file,
      line: source.slice(0, match.index).split("\n").length,
      text: rest.slice(0, rest.indexOf(";")).replace(/\s+/g, " "),
      source: `${source.slice(0, match.index)}void ${rest.slice("throw ".length)}`,
    };
  });
}

function copy(): string {
  const workspace = mkdtempSync(join(tmpdir(), "tacit-mutants-"));
  for (const name of ["jest.config.js", "package.json", "tsconfig.json"]) {
    cpSync(join(repository, name), join(workspace, name));
  }
  mkdirSync(join(workspace, "mls"));
  for (const name of ["mls/src", "mls/package.json", "test/mls"]) {
    cpSync(join(repository, name), join(workspace, name), { recursive: true });
  }
  for (const name of ["node_modules", "mls/node_modules"]) {
    symlinkSync(join(repository, name), join(workspace, name));
  }
  return workspace;
}

function failure(workspace: string, tests: readonly string[]): string | undefined {
  const paths = tests.map((name) => `test/mls/${name}.test.ts`);
  const run = spawnSync(
    process.execPath,
    [
      join(repository, "node_modules/jest/bin/jest.js"),
      "--bail",
      "--silent",
      "--runInBand",
      ...paths,
      "--reporters=default",
    ],
    { cwd: workspace, encoding: "utf8", timeout: 120_000 },
  );
  return run.status === 0 ? undefined : `${run.stdout}${run.stderr}`;
}

const only = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const workspace = copy();
const survivors: string[] = [];
let killed = 0;
let excused = 0;
try {
  for (const [file, tests] of Object.entries(targets)) {
    if (only.length > 0 && !only.includes(file)) continue;
    const path = join(workspace, "mls/src", file);
    const source = readFileSync(path, "utf8");
    const broken = failure(workspace, tests);
    if (broken !== undefined) throw new Error(`the tests of ${file} fail without a mutation: ${broken}`);
    for (const mutant of mutantsOf(file, source)) {
      const known = equivalent.find(([name, part]) => name === file && mutant.text.includes(part));
      if (known !== undefined) {
        excused++;
        continue;
      }
      writeFileSync(path, mutant.source);
      if (failure(workspace, tests) !== undefined) killed++;
      else survivors.push(`${file}:${mutant.line} ${mutant.text}`);
      process.stderr.write(`${file}:${mutant.line} killed ${killed}, survived ${survivors.length}\r`);
    }
    writeFileSync(path, source);
  }
} finally {
  rmSync(workspace, { recursive: true, force: true });
}
const report = { killed, excused, survivors };
console.log(process.argv.includes("--json") ? JSON.stringify(report) : report);
process.exitCode = survivors.length === 0 ? 0 : 1;
