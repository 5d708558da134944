import { itemSize, storedFields } from "../../demo/storedItem.ts";

const item = {
  conversation: { S: "d-x" },
  seq: { N: "12" },
  payload: { M: { inline: { B: Buffer.from([1, 2, 255]) } } },
  roster: { SS: ["alice", "bob"] },
  counts: { NS: ["1", "2"] },
  keys: { BS: ["AQI="] },
  list: { L: [{ BOOL: true }, { NULL: true }] },
};

test("every type of attribute is shown as what it is, bytes apart from text", () => {
  expect(storedFields(item)).toEqual({
    conversation: "d-x",
    seq: 12,
    payload: { fields: { inline: { bytes: "AQL/" } } },
    roster: ["alice", "bob"],
    counts: [1, 2],
    keys: [{ bytes: "AQI=" }],
    list: [true, null],
  });
});

test("sizes are those that DynamoDB bills", () => {
  expect(itemSize({ ab: { S: "é" } })).toBe(4);
  expect(itemSize({ n: { N: "-123.45" } })).toBe(1 + 4);
  expect(itemSize({ b: { B: "AQL/" } })).toBe(1 + 3);
  expect(itemSize({ m: { M: { x: { S: "y" } } } })).toBe(1 + 3 + 1 + 2);
  expect(itemSize({ l: { L: [{ BOOL: true }, { NULL: true }] } })).toBe(1 + 3 + 4);
});
