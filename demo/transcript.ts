/** Whether a conversation is whole: every line once, each person's lines in the order they were said, both sides alike. */
import type { Side } from "./cloudEvents.ts";
import type { Line } from "./script.ts";

/** What is wrong with what `reader` read; empty where nothing is. */
export function checkReading(reader: string, said: readonly Line[], read: readonly Line[]): readonly string[] {
  const problems: string[] = [];
  for (const line of said) {
    const times = read.filter((other) => same(other, line)).length;
    if (times !== 1) problems.push(`${reader} read ${describe(line)} ${times} times`);
  }
  for (const line of read) {
    if (!said.some((other) => same(other, line))) problems.push(`${reader} read ${describe(line)}, which nobody said`);
  }
  for (const side of ["alice", "bob"] as const) {
    const order = linesOf(read, side).filter((text, index, all) => all.indexOf(text) === index);
    const expected = linesOf(said, side).filter((text) => order.includes(text));
    const known = order.filter((text) => expected.includes(text));
    const misplaced = known.find((text, index) => text !== expected[index]);
    if (misplaced !== undefined) problems.push(`${reader} read "${misplaced}" of ${side} out of order`);
  }
  return problems;
}

/** Where two readings of the same conversation differ; empty where they do not. `shorter` may have stopped early. */
export function checkPrefix(
  names: readonly [shorter: string, longer: string],
  shorter: readonly Line[],
  longer: readonly Line[],
): readonly string[] {
  const at = shorter.findIndex((line, index) => {
    const other = longer[index];
    return other === undefined || !same(line, other);
  });
  if (at === -1) return [];
  const [shown, other] = [shorter[at], longer[at]];
  const there = other === undefined ? "nothing" : describe(other);
  return [
    `at place ${at + 1}, ${names[0]} has ${shown === undefined ? "nothing" : describe(shown)}, ${names[1]} ${there}`,
  ];
}

function linesOf(lines: readonly Line[], side: Side): readonly string[] {
  return lines.filter(({ from }) => from === side).map(({ text }) => text);
}

function same(left: Line, right: Line): boolean {
  return left.from === right.from && left.text === right.text;
}

function describe({ from, text }: Line): string {
  return `"${text}" of ${from}`;
}
