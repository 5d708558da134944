/** Does the simulation see what it looks for? One function of the engine is replaced by a faulty one at a time. */
import type { Simulated } from "./simulate.ts";

type Module = Record<string, unknown>;
type Fault = (actual: Module) => Module;

const engine = "../../../mls/src";

async function simulateWith(file: string, fault: Fault, attacks?: readonly string[]): Promise<Simulated> {
  let result: Simulated | undefined;
  await jest.isolateModulesAsync(async () => {
    const path = `${engine}/${file}`;
    jest.doMock(path, () => {
      const actual = jest.requireActual<Module>(path);
      return { ...actual, ...fault(actual) };
    });
    const { simulate } = await import("./simulate.ts");
    result = await simulate({
      suite: 0x0001,
      seed: 5,
      steps: 60,
      maximum: 6,
      ...(attacks === undefined ? {} : { attacks }),
    });
    jest.dontMock(path);
  });
  if (result === undefined) throw new Error("the simulation did not run");
  return result;
}

/** Replaces function `name` by one that has the right one at hand. */
const replace =
  (name: string, by: (actual: (...args: unknown[]) => unknown, ...args: unknown[]) => unknown): Fault =>
  (module) => ({
    [name]: (...args: unknown[]) => by(module[name] as (...args: unknown[]) => unknown, ...args),
  });

interface Draft {
  readonly leaves: unknown[];
}

test("without a fault there are no findings", async () => {
  const result = await simulateWith("proposal.ts", () => ({}));
  expect(result).toMatchObject({ steps: 60, disagreements: 0, leaks: 0 });
}, 60_000);

const leaking: readonly (readonly [name: string, file: string, fault: Fault, finding: RegExp])[] = [
  [
    "members may be removed without a path (section 12.4)",
    "proposal.ts",
    replace("requiresPath", (actual, proposal) => {
      return (proposal as { type: string }).type !== "remove" && actual(proposal);
    }),
    /removed, derives the next epoch/,
  ],
  [
    "the path above a removed leaf is not blanked (section 12.1.3)",
    "ratchetTree.ts",
    replace("replaceLeaf", (actual, draft, leafIndex, leaf) => {
      if (leaf !== undefined) return actual(draft, leafIndex, leaf);
      (draft as Draft).leaves[leafIndex as number] = undefined;
      return (jest.requireActual<Module>(`${engine}/ratchetTree.ts`)["touch"] as (...args: unknown[]) => unknown)(
        draft,
        2 * (leafIndex as number),
      );
    }),
    /removed, (opens a path secret|holds the key of node)/,
  ],
  [
    "the message keys of an epoch do not depend on its secrets (section 9)",
    "keySchedule.ts",
    replace("deriveNewEpoch", (actual, ...args) => {
      const derived = actual(...args) as { secrets: Record<string, Uint8Array>; encryptionSecret: Uint8Array };
      const { secrets, encryptionSecret } = derived;
      return {
        secrets: { ...secrets, senderDataSecret: new Uint8Array(encryptionSecret.length) },
        encryptionSecret: new Uint8Array(encryptionSecret.length),
      };
    }),
    /removed, reads a message/,
  ],
  [
    "keys of passed generations stay usable (section 9.2)",
    "secretTree.ts",
    replace("takeKey", (actual, suite, tree, ...rest) => ({
      ...(actual(suite, tree, ...rest) as object),
      ...(rest[2] === undefined ? {} : { tree }),
    })),
    /read too late, too early or twice/,
  ],
];

test.each(leaking)(
  "a leak is found when %s",
  async (_name, file, fault, finding) => {
    const result = await simulateWith(file, fault);
    expect(result.leaks).toBeGreaterThan(0);
    expect(result.findings.some((each) => finding.test(each))).toBe(true);
  },
  60_000,
);

let calls = 0;

const disagreeing: readonly (readonly [name: string, file: string, fault: Fault, finding: RegExp, attack: string])[] = [
  [
    "one member in many derives another PSK secret (section 8.4)",
    "psk.ts",
    replace("derivePskSecret", (actual, ...args) => {
      const secret = actual(...args) as Uint8Array;
      if (++calls % 25 === 0) secret[0] = (secret[0] as number) ^ 1;
      return secret;
    }),
    /does not accept a commit|cannot join/,
    "garbage",
  ],
  [
    "a confirmation tag of zeros is accepted (section 12.4.2)",
    "equalBytes.ts",
    replace("equalBytes", (actual, a, b) => {
      const zeros = (bytes: unknown): boolean =>
        (bytes as Uint8Array).length === 32 && (bytes as Uint8Array).every((byte) => byte === 0);
      return actual(a, b) === true || zeros(a);
    }),
    /follow a wrong confirmation tag/,
    "a wrong confirmation tag",
  ],
  [
    "signatures of messages are not verified (section 6.1)",
    "framing.ts",
    () => ({ verifyContent: () => true }),
    /follow another wire format signed/,
    "another wire format signed",
  ],
  [
    "what an old epoch stored is not deleted (section 9.2)",
    "stateEncoding.ts",
    replace("encodeRatchets", (actual, ...args) =>
      (actual(...args) as { bytes: Uint8Array | undefined }[]).filter(({ bytes }) => bytes !== undefined),
    ),
    /stored is not its state/,
    "garbage",
  ],
];

test.each(disagreeing)(
  "a disagreement is found when %s",
  async (_name, file, fault, finding, attack) => {
    const result = await simulateWith(file, fault, [attack]);
    expect(result.disagreements).toBeGreaterThan(0);
    expect(result.findings.filter((each) => finding.test(each))).not.toEqual([]);
  },
  60_000,
);
