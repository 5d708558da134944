/** Does the checker see what it looks for? One thing is made faulty at a time: in the relay, in a store, or in the client itself. */
import { LostAnswer } from "../../../client/src/connection/relaySocket.ts";
import type { Finding } from "./oracle.ts";
import type { Plant } from "./plants.ts";
import type { Delivery, DeliveryOptions } from "./simulate.ts";
import { simulateDelivery } from "./simulate.ts";

type Module = Record<string, unknown>;
type Fault = (actual: Module) => Module;
type Kind = Finding["kind"];
type More = Partial<DeliveryOptions>;

const options: DeliveryOptions = { seed: 7, clients: 4, messages: 250, retention: 90 * 86_400_000 };
test("without a fault there are no findings", async () => {
  const { findings } = await simulateDelivery(options);
  expect(findings).toEqual([]);
}, 300_000);

const plants: readonly (readonly [what: string, plant: Plant, kind: Kind, finding: RegExp])[] = [
  ["a relay that forgets what it accepted", "losesAppends", "lost", /never got into the log|was not shown/],
  ["a relay that shows a page in another order", "reordersPages", "other", /said to be missing, and has not expired/],
  ["a relay that changes what it stores", "damagesPayloads", "unreadable", /cannot_decrypt at place/],
  ["a relay that gives a place out again", "overwrites", "lost", /.*/],
  ["a device that sends before it has stored", "releasesBeforeItPersists", "other", /message key was used twice/],
];

/** What has to be faulty has to happen first, which it does not in every run. */
async function isFound(run: (seed: number) => Promise<Delivery>, kind: Kind, finding: RegExp): Promise<boolean> {
  for (let seed = 1; seed <= 16; seed++) {
    const { findings } = await run(seed);
    if (findings.some((each) => each.kind === kind && finding.test(each.why))) return true;
  }
  return false;
}

test.each(plants)(
  "%s is found",
  async (_what, plant, kind, finding) => {
    expect(await isFound((seed) => simulateDelivery({ ...options, seed, plant }), kind, finding)).toBe(true);
  },
  600_000,
);

async function simulateWith(file: string, fault: Fault, more: More): Promise<Delivery> {
  let result: Delivery | undefined;
  await jest.isolateModulesAsync(async () => {
    const path = `../../../client/src/session/${file}`;
    jest.doMock(path, () => {
      const actual = jest.requireActual<Module>(path);
      return { ...actual, ...fault(actual) };
    });
    const { simulateDelivery: simulateFaulty } = await import("./simulate.ts");
    result = await simulateFaulty({ ...options, ...more });
    jest.dontMock(path);
  });
  if (result === undefined) throw new Error("the simulation did not run");
  return result;
}

type AnyFunction = (...args: unknown[]) => unknown;

interface Step {
  readonly state: { readonly nextPosition: number };
  readonly items: readonly { readonly kind: string; readonly position: number; readonly seq: number }[];
}

const clients: readonly (readonly [
  what: string,
  file: string,
  fault: Fault,
  kind: Kind,
  finding: RegExp,
  more: More,
])[] = [
  [
    "shows a message twice",
    "reading/applyEntry.ts",
    (actual) => ({
      async applyEntry(...args: unknown[]) {
        const step = (await (actual["applyEntry"] as AnyFunction)(...args)) as Step;
        const last = step.items.at(-1);
        if (last?.kind !== "message" || last.seq % 11 !== 0) return step;
        const { nextPosition } = step.state;
        const again = { ...last, position: nextPosition };
        return { ...step, state: { ...step.state, nextPosition: nextPosition + 1 }, items: [...step.items, again] };
      },
    }),
    "duplicated",
    /again at position/,
    {},
  ],
  [
    "sends what was said last first",
    "outbox.ts",
    (actual) => ({
      enqueue(...args: unknown[]) {
        const state = (actual["enqueue"] as AnyFunction)(...args) as {
          readonly outbox: readonly { sealed?: unknown }[];
        };
        const last = state.outbox.at(-1);
        const [sealed, open] = [true, false].map((is) =>
          state.outbox.filter((item) => (item.sealed !== undefined) === is),
        );
        return { ...state, outbox: [...sealed!, last, ...open!.slice(0, -1)] };
      },
    }),
    "reordered",
    /^place/,
    {},
  ],
  [
    "passes over an entry",
    "reading/applyEntry.ts",
    (actual) => ({
      async applyEntry(...args: unknown[]) {
        const step = (await (actual["applyEntry"] as AnyFunction)(...args)) as Step;
        return step.items[0]?.kind === "message" && step.items[0].seq % 11 === 0 ? { ...step, items: [] } : step;
      },
    }),
    "lost",
    /was not shown/,
    {},
  ],
  [
    "has itself put in anew without need",
    "reading/applyEntry.ts",
    (actual) => ({
      async applyEntry(...args: unknown[]) {
        const step = (await (actual["applyEntry"] as AnyFunction)(...args)) as Step;
        if (step.items[0]?.kind !== "message" || step.items[0].seq % 13 !== 0) return step;
        const repair = { attempts: 0, due: 0, after: step.items[0].seq };
        return { ...step, state: { ...step.state, phase: "stuck", repair } };
      },
    }),
    "other",
    /put in anew at place \d+, without a cause/,
    {},
  ],
  [
    "never takes out a device that was revoked",
    "intents.ts",
    (actual) => ({
      planFor: (...args: [unknown, unknown, { readonly kind: string; readonly remove?: readonly string[] }]) =>
        args[2].kind === "devices" && args[2].remove!.length > 0
          ? { kind: "done" }
          : (actual["planFor"] as AnyFunction)(...args),
    }),
    "other",
    /it was revoked, and is in the last epoch/,
    { clients: 6, weights: { link: 5, revoke: 5 } },
  ],
  [
    "never comes to what its application asked for",
    "intents.ts",
    (actual) => ({
      planFor(...args: [unknown, unknown, { readonly kind: string }]) {
        if (args[2].kind === "describe") throw new LostAnswer("never");
        return (actual["planFor"] as AnyFunction)(...args);
      },
    }),
    "other",
    /it never settled: setTitle/,
    { messages: 100, weights: { setTitle: 10 } },
  ],
];

test.each(clients)(
  "a client that %s is found",
  async (_what, file, fault, kind, finding, more) => {
    expect(await isFound((seed) => simulateWith(file, fault, { ...more, seed }), kind, finding)).toBe(true);
  },
  600_000,
);
