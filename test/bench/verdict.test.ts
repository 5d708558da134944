/** What a benchmark of many devices takes for wrong. */
import type { Standing } from "../../bench/crowd/orders.ts";
import { apart, received } from "../../bench/crowd/verdict.ts";
import { notZero } from "../../bench/report.ts";

const members = ["alice", "bob", "carol"];

function standing(account: string, other: Partial<Standing> = {}): Standing {
  const [phase, epoch, authenticator] = ["open", "7", "aa"];
  return { account, phase, members: 3, epoch, authenticator, texts: ["one", "two"], unreadable: 0, ...other };
}

const inOne = members.map((account) => standing(account));
const carolAt = (other: Partial<Standing>): readonly Standing[] => [...inOne.slice(0, 2), standing("carol", other)];

test.each<readonly [string, readonly Standing[], number]>([
  ["all are in one epoch", inOne, 0],
  ["one is in another epoch", carolAt({ epoch: "8" }), 1],
  ["one has other secrets in the same epoch", carolAt({ authenticator: "bb" }), 1],
  ["one is in no group", carolAt({ epoch: "", authenticator: "" }), 1],
  ["one is not heard of", inOne.slice(0, 2), 1],
  ["none is in a group", members.map((account) => standing(account, { epoch: "", authenticator: "" })), 3],
  ["somebody else is elsewhere", [...inOne, standing("dave", { epoch: "6" })], 0],
])("apart: %s", (_name, standings, count) => {
  expect(apart(standings, members)).toBe(count);
});

test.each<readonly [string, readonly Standing[], { readonly lost: number; readonly doubled: number }]>([
  ["everything is shown once", inOne, { lost: 0, doubled: 0 }],
  ["in another order", carolAt({ texts: ["two", "one"] }), { lost: 0, doubled: 0 }],
  ["one misses one", carolAt({ texts: ["two"] }), { lost: 1, doubled: 0 }],
  ["nobody shows one", members.map((account) => standing(account, { texts: ["one"] })), { lost: 3, doubled: 0 }],
  ["one is not heard of", inOne.slice(0, 2), { lost: 2, doubled: 0 }],
  ["one shows one three times", carolAt({ texts: ["one", "two", "two", "two"] }), { lost: 0, doubled: 2 }],
  ["one shows one twice instead of another", carolAt({ texts: ["one", "one"] }), { lost: 1, doubled: 1 }],
])("received: %s", (_name, standings, found) => {
  expect(received(standings, new Map(members.map((account) => [account, ["one", "two"]])))).toEqual(found);
});

test("who came later has to show only what was said since", () => {
  const expected = new Map(members.map((account) => [account, ["one", "two"]]));
  expected.set("dave", ["two"]);
  expect(received([...inOne, standing("dave", { texts: ["two"] })], expected)).toEqual({ lost: 0, doubled: 0 });
  expect(received([...inOne, standing("dave", { texts: ["one"] })], expected)).toEqual({ lost: 1, doubled: 0 });
});

test("a report is wrong by what is not zero, and by what is not in it", () => {
  const json = { devices: 12, apart: 0, lost: 3, failures: null };
  expect(notZero({ json }, [])).toEqual([]);
  expect(notZero({ json }, ["apart"])).toEqual([]);
  expect(notZero({ json }, ["apart", "lost", "failures", "doubled"])).toEqual([
    "lost 3",
    "failures null",
    "doubled undefined",
  ]);
});
