import { allLines, type Line } from "../../demo/script.ts";
import { checkPrefix, checkReading } from "../../demo/transcript.ts";

const [first, second, third, fourth] = allLines as readonly [Line, Line, Line, Line];

test("the script has ten different lines each", () => {
  for (const side of ["alice", "bob"]) expect(allLines.filter(({ from }) => from === side)).toHaveLength(10);
  expect(new Set(allLines.map(({ text }) => text)).size).toBe(20);
});

test("a whole reading has no problems, whoever of two that spoke at once stands first", () => {
  expect(checkReading("Bob", allLines, allLines)).toEqual([]);
  expect(checkReading("Bob", [first, second, third], [second, first, third])).toEqual([]);
});

test("a line that is missing, doubled, made up or out of order is named", () => {
  expect(checkReading("Bob", [first, second], [first])).toEqual([
    expect.stringContaining(`${second.text}" of bob 0 times`),
  ]);
  expect(checkReading("Bob", [first], [first, first])).toEqual([expect.stringContaining("2 times")]);
  const invented: Line = { from: "bob", text: first.text };
  expect(checkReading("Bob", [first], [first, invented])).toEqual([expect.stringContaining("nobody said")]);
  expect(checkReading("Bob", [first, third], [third, first])).toEqual([expect.stringContaining("out of order")]);
});

test("two readings agree as far as the shorter goes", () => {
  expect(checkPrefix(["one", "other"], [first, second], [first, second, third])).toEqual([]);
  expect(checkPrefix(["one", "other"], [], allLines)).toEqual([]);
  expect(checkPrefix(["one", "other"], [first, fourth], [first, second, fourth])).toEqual([
    expect.stringContaining("at place 2"),
  ]);
  expect(checkPrefix(["one", "other"], [first, second], [first])).toEqual([expect.stringContaining("other nothing")]);
});
