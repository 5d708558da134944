/** What the engine is to reach, beside what it reached in this run. */
import { median } from "../report.ts";
import type { Row } from "./row.ts";

export interface Aim {
  readonly aim: string;
  readonly reached: string;
  readonly met: boolean;
}

const ms = (value: number): string => `${value >= 10 ? value.toFixed(1) : value.toPrecision(3)} ms`;

export interface AimsInput {
  readonly rows: readonly Row[];
  /** Of the package and the webcrypto provider, minified and gzipped. */
  readonly packageBytes: number;
  /** One Ed25519 verification in this run. */
  readonly verifyMs: number;
}

/** Times are aimed at on a machine that verifies an Ed25519 signature in 0.1 ms, and scaled to the one at hand. */
export function aims({ rows, packageBytes, verifyMs }: AimsInput): Aim[] {
  const ours = rows.filter(({ library, runtime }) => library === "@tacit/mls" && runtime === "Node");
  const largest = Math.max(...ours.map(({ size }) => size));
  const result: Aim[] = [];
  for (const operation of ["encrypt", "decrypt"]) {
    for (const suite of new Set(ours.map((row) => row.suite))) {
      const ratios = ours
        .filter((row) => row.operation === operation && row.suite === suite)
        .map((row) => row.ms / (row.floorMs ?? Number.NaN));
      // Messages do not depend on the size of the group: four measurements of one thing.
      const middle = median(ratios);
      result.push({
        aim: `${operation}, suite 0x${(suite ?? 0).toString(16).padStart(4, "0")}: at most 1.5 times its floor`,
        reached: `${middle.toFixed(2)} times (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`,
        met: middle <= 1.5,
      });
    }
  }
  const session = rows.find(({ library, operation }) => library.includes("(session)") && operation === "encrypt");
  if (session !== undefined) {
    const own = median(ours.filter((row) => row.operation === "encrypt" && row.suite === 1).map((row) => row.ms));
    result.push({
      aim: `encrypt faster than libsignal's session (${ms(session.ms)})`,
      reached: ms(own),
      met: own < session.ms,
    });
  }
  const scale = verifyMs / 0.1;
  const at1000 = { update: 15, processUpdate: 3, add: 10, join: 400 };
  for (const [operation, aim] of Object.entries(at1000)) {
    const row = ours.find((each) => each.size === 1000 && each.suite === 1 && each.operation === operation);
    if (row === undefined) continue;
    result.push({
      aim: `${operation} at 1,000 in suite 0x0001: ${aim} ms at 0.1 ms per verification, here ${ms(aim * scale)}`,
      reached: ms(row.ms),
      met: row.ms <= aim * scale,
    });
  }
  const written = Math.max(...ours.filter(({ operation }) => operation === "storeMessage").map(({ bytes }) => bytes));
  result.push({
    aim: `at most 2,048 bytes written per message, at any size (to ${largest.toLocaleString("en-US")})`,
    reached: `${written.toLocaleString("en-US")} bytes`,
    met: written <= 2048,
  });
  result.push({
    aim: "the package with the webcrypto provider: at most 50 KB minified and gzipped",
    reached: `${(packageBytes / 1024).toFixed(1)} KB`,
    met: packageBytes <= 50 * 1024,
  });
  return result;
}
