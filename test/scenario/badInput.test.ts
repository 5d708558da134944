/**
 * Whatever a socket sends is answered with a typed refusal, and changes nothing: broken frames of every operation, and
 * well-formed ones about what is not the sender's; before registration, as a stranger, and as a member's other account.
 */
import fc from "fast-check";
import {
  errorCodes,
  limits,
  operations,
  parseRequest,
  parseServerFrame,
  utf8Length,
  type Operation,
} from "@tacit/protocol";
import { startLocalTacit, type LocalTacit } from "../../bench/localTacit.ts";
import { newIdentity, openRaw, type RawDevice } from "../../bench/rawDevice.ts";
import { validRequests } from "../support/validRequests.ts";
import { group, message, person, scene, type Scene } from "./stage.ts";

const seed = Number(process.env["TACIT_SEED"] ?? 20261123);
const names = Object.keys(operations) as Operation[];

let cloud: LocalTacit;
let world: Scene;
let sockets: Readonly<Record<string, RawDevice>>;

beforeAll(async () => {
  cloud = await startLocalTacit();
  world = scene(cloud);
  const alice = await person(world, "anna");
  const bob = await person(world, "bert");
  const mallory = await person(world, "mallory");
  const conversation = await group([alice, bob]);
  await alice.device.request("append", { conversation, turn: 1, entries: [message("kept")] });
  const newcomer = newIdentity("newcomer");
  const unregistered = await openRaw({
    url: cloud.url,
    token: await cloud.token("newcomer"),
    key: newcomer.deviceKey,
    now: cloud.now(),
  });
  sockets = { "before registration": unregistered, "as a stranger": mallory.device, "as a member": bob.device };
}, 60_000);
afterAll(async () => cloud.close());

/** Every item, without the counters that limit rates: a refused claim is still a claim to count. */
async function stored(): Promise<string> {
  const tables = await cloud.tables();
  return JSON.stringify(
    tables.map(({ name, items }) => [name, items.filter(({ record }) => !String(record?.["S"]).startsWith("limit#"))]),
  );
}

async function refused(device: RawDevice, text: string): Promise<string> {
  const frame = parseServerFrame(JSON.stringify(await device.raw(text)));
  if (frame.kind !== "error")
    throw new Error(`${text.slice(0, 300)} was answered ${JSON.stringify(frame).slice(0, 300)}`);
  expect(Object.keys(errorCodes)).toContain(frame.error.code);
  expect(frame.error.code).not.toBe("internal");
  return frame.error.code;
}

/** Frames that are an operation's in all but something. */
const broken = fc
  .constantFrom(...names)
  .chain((op) => {
    const fields = Object.keys(validRequests[op]);
    const junk = fc.oneof(
      fc.constantFrom(null, -1, 1.5, true, "", "=", [], {}, [[]], { inline: "A" }, 2 ** 60),
      fc.string({ maxLength: 40 }),
      fc.string({ minLength: 23_000, maxLength: 24_000, unit: "grapheme-ascii" }),
      fc.jsonValue({ maxDepth: 3 }),
    );
    const change = fc.oneof(
      fc.record({ field: fc.constantFrom("extra", "__proto__", "sender", "constructor"), value: junk }),
      ...(fields.length === 0 ? [] : [fc.record({ field: fc.constantFrom(...fields), value: fc.option(junk) })]),
    );
    return fc.array(change, { minLength: 1, maxLength: 3 }).map((changes) => {
      const request: Record<string, unknown> = { ...validRequests[op] };
      for (const { field, value } of changes) {
        if (value === null) delete request[field];
        else Object.defineProperty(request, field, { value, enumerable: true, configurable: true });
      }
      return JSON.stringify({ id: "x", op, ...request });
    });
  })
  // API Gateway itself closes a socket for a larger frame (test/local).
  .filter((text) => utf8Length(text) <= limits.requestFrame && !parseRequest(text).ok);

const noise = fc
  .oneof(fc.string({ maxLength: 200 }), fc.json())
  .filter((text) => text !== "" && !parseRequest(text).ok);

test.each(["before registration", "as a stranger", "as a member"])(
  "%s: broken frames are refused, and nothing changes",
  async (role) => {
    const before = await stored();
    await fc.assert(
      fc.asyncProperty(fc.oneof({ weight: 5, arbitrary: broken }, { weight: 1, arbitrary: noise }), async (text) => {
        expect(["malformed", "unknown_operation"]).toContain(await refused(sockets[role]!, text));
      }),
      { numRuns: 250, seed, verbose: fc.VerbosityLevel.None },
    );
    expect(await stored()).toBe(before);
  },
  120_000,
);

test("before registration, only an own account can be put or asked for, and an own inbox and backup read", async () => {
  const before = await stored();
  const open: readonly Operation[] = ["hello", "readInbox", "acknowledgeInbox", "getBackup"];
  for (const op of names.filter((name) => !open.includes(name))) {
    const code = await refused(sockets["before registration"]!, JSON.stringify({ id: "x", op, ...validRequests[op] }));
    expect(code).toBe(op === "putAccount" ? "record_invalid" : "out_of_scope");
  }
  expect(await stored()).toBe(before);
}, 30_000);

test("well-formed requests about what is not there are refused, and nothing changes", async () => {
  const before = await stored();
  const harmless: readonly Operation[] = [
    "hello",
    "countKeyPackages",
    "readInbox",
    "acknowledgeInbox",
    "getBackup",
    "uploadBlob",
  ];
  for (const op of names.filter((name) => !harmless.includes(name) && name !== "publishKeyPackages")) {
    await refused(sockets["as a stranger"]!, JSON.stringify({ id: "x", op, ...validRequests[op] }));
  }
  for (const op of harmless.filter((name) => name !== "hello")) {
    expect(await sockets["as a stranger"]!.raw(JSON.stringify({ id: "x", op, ...validRequests[op] }))).toHaveProperty(
      "ok",
    );
  }
  expect(await stored()).toBe(before);
}, 30_000);
