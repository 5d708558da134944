/** Loads the working group's test vectors (mlswg/mls-implementations) and counts what is run. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { getCipherSuite, type CipherSuite } from "@tacit/mls";
import { nodeProvider } from "@tacit/mls/providers/node";

const folder = join(__dirname, "../../../../shared/vectors/mls");

/** Of the vectors' seven suites, those in our table. */
export const vectorSuites = [1, 2, 3];

export const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));
export const hex = (data: Uint8Array): string => Buffer.from(data).toString("hex");

const suites = new Map<number, CipherSuite>();

export function suiteOf(id: number): CipherSuite {
  const suite = suites.get(id) ?? getCipherSuite(id, nodeProvider());
  suites.set(id, suite);
  return suite;
}

function load(family: string): unknown {
  const path = join(folder, `${family}.json`);
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : undefined;
}

/** One test per suite, in which each case runs; the title says how many. */
export function describeVectors<Case extends { readonly cipher_suite: number }>(
  family: string,
  run: (suite: CipherSuite, vector: Case) => void | Promise<void>,
): void {
  const cases = load(family) as Case[] | undefined;
  describe(`vectors ${family}`, () => {
    if (cases === undefined) {
      test.skip("the vectors are not beside the repository", () => undefined);
      return;
    }
    for (const id of new Set(cases.map((each) => each.cipher_suite))) {
      const ours = cases.filter((each) => each.cipher_suite === id);
      if (!vectorSuites.includes(id)) {
        test.skip(`suite ${id} is not in the table: ${ours.length} cases`, () => undefined);
        continue;
      }
      test(`suite ${id}: ${ours.length} cases`, async () => {
        expect(ours.length).toBeGreaterThan(0);
        for (const [index, vector] of ours.entries()) {
          try {
            await run(suiteOf(id), vector);
          } catch (error) {
            throw new Error(`case ${index}: ${(error as Error).message}`, { cause: error });
          }
        }
      });
    }
  });
}

/** The same for families without a suite. */
export function describePlainVectors<Case>(family: string, run: (vector: Case) => void | Promise<void>): void {
  const cases = load(family) as Case[] | undefined;
  describe(`vectors ${family}`, () => {
    if (cases === undefined) {
      test.skip("the vectors are not beside the repository", () => undefined);
      return;
    }
    test(`${cases.length} cases`, async () => {
      expect(cases.length).toBeGreaterThan(0);
      for (const [index, vector] of cases.entries()) {
        try {
          await run(vector);
        } catch (error) {
          throw new Error(`case ${index}: ${(error as Error).message}`, { cause: error });
        }
      }
    });
  });
}
