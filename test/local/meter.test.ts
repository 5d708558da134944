import { price, usageBetween } from "@tacit/local";
import { itemSize, readUnits, writeUnits } from "../../local/src/dynamodb/itemSize.ts";
import { createMeter, socketUnits } from "../../local/src/meter.ts";

describe("meter", () => {
  test("counts by operation, and what happened between two snapshots", () => {
    const meter = createMeter(() => 0);
    meter.add("dynamodb:PutItem", { writeUnits: 2 });
    const before = meter.snapshot();
    meter.add("dynamodb:PutItem", { writeUnits: 3 });
    meter.add("dynamodb:Query", { readUnits: 0.5 });
    const { usage, operations } = usageBetween(before, meter.snapshot());
    expect(usage).toMatchObject({ writeUnits: 3, readUnits: 0.5, invocations: 0 });
    expect(operations).toEqual({
      "dynamodb:PutItem": { requests: 1, units: 3 },
      "dynamodb:Query": { requests: 1, units: 0.5 },
    });
  });

  test("connection minutes run while a connection is open", () => {
    let now = 0;
    const meter = createMeter(() => now);
    meter.connectionOpened("a");
    now = 90_000;
    expect(meter.snapshot().usage.connectionMinutes).toBe(1.5);
    meter.connectionClosed("a");
    now = 900_000;
    expect(meter.snapshot().usage.connectionMinutes).toBe(1.5);
  });

  test("prices are those of us-east-1", () => {
    const { usage } = createMeter(() => 0).snapshot();
    const { lines, total } = price({
      ...usage,
      writeUnits: 1e6,
      readUnits: 2e6,
      socketMessages: 3e6,
      invocations: 1e6,
      gigabyteSeconds: 1,
    });
    expect(lines).toMatchObject({
      writeUnits: 0.625,
      readUnits: 0.25,
      socketMessages: 3,
      invocations: 0.2,
      gigabyteSeconds: expect.closeTo(0.0000133334, 15),
    });
    expect(total).toBeCloseTo(4.0750133334, 10);
  });

  test.each([
    [0, 1],
    [32_768, 1],
    [32_769, 2],
    [131_072, 4],
  ])("a message of %i bytes is billed as %i", (bytes, units) => {
    expect(socketUnits(bytes)).toBe(units);
  });
});

/** https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html */
describe("item size", () => {
  test.each<[string, Readonly<Record<string, unknown>>, number]>([
    ["text in UTF-8", { S: "üx" }, 3],
    ["binary", { B: Buffer.alloc(7).toString("base64") }, 7],
    ["a number by its significant digits", { N: "1234500" }, 4],
    ["a negative number", { N: "-123" }, 4],
    ["leading zeros do not count", { N: "0.0012" }, 2],
    ["zero", { N: "0" }, 1],
    ["a boolean", { BOOL: true }, 1],
    ["null", { NULL: true }, 1],
    ["a set of texts", { SS: ["ab", "c"] }, 3],
    ["a list: three, and one for each element", { L: [{ S: "ab" }, { BOOL: true }] }, 3 + 3 + 2],
    ["a map: three, and one for each member", { M: { key: { S: "ab" } } }, 3 + 1 + 3 + 2],
  ])("%s", (_, value, bytes) => {
    expect(itemSize({ name: value })).toBe("name".length + bytes);
  });

  test("rounding", () => {
    expect([writeUnits(undefined, undefined), writeUnits(undefined, undefined, true)]).toEqual([1, 2]);
    expect([
      readUnits(0, "eventual"),
      readUnits(4096, "strong"),
      readUnits(4097, "strong"),
      readUnits(1, "transactional"),
    ]).toEqual([0.5, 1, 2, 2]);
  });
});
