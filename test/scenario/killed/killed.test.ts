/**
 * The story of the delivery simulation, smaller and for real: processes with SQLite stores on real sockets, killed with SIGKILL while
 * they talk, on a cloud that throttles, loses pushes and answers, and lets functions die. In the end everybody has been shown every
 * message that was promised, once, in one order.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startLocalTacit, type LocalTacit } from "../../../bench/localTacit.ts";
import { person, type Person } from "./person.ts";

const title = "Rehearsal";
const rounds = 8;

/** Numbers in [0, 1), from a seed. */
function dice(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function disturb(cloud: LocalTacit, roll: () => number): void {
  const sometimes = (share: number) => (): boolean => roll() < share;
  const [rarely, often] = [sometimes(0.03), sometimes(0.2)];
  cloud.faults.inject({
    when: ({ service, operation }) => service === "execute-api" && operation === "PostToConnection" && often(),
    effect: { kind: "drop" },
  });
  cloud.faults.inject({ when: ({ service }) => service === "dynamodb" && rarely(), effect: { kind: "throttle" } });
  cloud.faults.inject({ when: ({ service }) => service === "dynamodb" && rarely(), effect: { kind: "loseAnswer" } });
  cloud.faults.inject({
    when: ({ service, operation }) => service === "dynamodb" && operation === "TransactWriteItems" && often(),
    effect: { kind: "conflict" },
  });
  cloud.faults.inject({
    when: ({ service, function: fn }) => service === "dynamodb" && fn?.startsWith("Relay") === true && rarely(),
    effect: { kind: "kill", when: "after" },
  });
}

test.each([1])(
  "people whose processes are killed while they talk (seed %s)",
  async (seed) => {
    const roll = dice(seed);
    const folder = mkdtempSync(join(tmpdir(), "tacit-killed-"));
    const cloud = await startLocalTacit();
    const people: Person[] = ["alice", "bob", "carol"].map((account) =>
      person({ url: cloud.url, account, store: join(folder, `${account}.db`) }, () => cloud.token(account)),
    );
    try {
      const [alice] = people as [Person, Person, Person];
      for (const each of people) await each.start();
      const created = alice.hear("created");
      alice.tell({ type: "create", title, members: ["bob", "carol"] });
      await created;
      disturb(cloud, roll);
      for (let round = 0; round < rounds; round++) {
        for (const each of people) {
          each.tell({ type: "send", title, text: `${each.account} ${round}` });
          if (roll() < 0.2) each.tell({ type: "rotate", title });
        }
        const victim = people[Math.floor(roll() * people.length)]!;
        await framesPassed(cloud, 1 + Math.floor(roll() * 15));
        await victim.kill();
        await victim.start();
      }
      cloud.faults.clear();
      // The last word of each: when everybody has seen all of them, everything was said.
      for (const each of people) {
        const promised = each.hear("promised");
        each.tell({ type: "send", title, text: `${each.account} done` });
        await promised;
      }
      const last = `${alice.account} has the last word`;
      const reports = await everything(people, last);
      const expected = people.flatMap(({ promised }) => promised);
      for (const { lines, others } of reports) {
        expect(lines).toEqual(reports[0]!.lines);
        expect(new Set(lines).size).toBe(lines.length);
        expect(expected.filter((text) => !lines.includes(text))).toEqual([]);
        expect(others.filter((kind) => kind === "unreadable" || kind === "missing" || kind === "cannotFollow")).toEqual(
          [],
        );
      }
      for (const { account, promised } of people) {
        const own = reports[0]!.lines.filter((line) => promised.includes(line) && line.startsWith(account));
        expect(own).toEqual(promised);
      }
      expect(expected.length).toBeGreaterThan(rounds);
    } catch (error) {
      process.stderr.write(
        `seed ${seed}: ${people.map(({ account, noted }) => `${account}: ${noted.join("; ")}`).join("\n")}\n`,
      );
      throw error;
    } finally {
      for (const each of people) await each.kill();
      await cloud.close();
      rmSync(folder, { recursive: true, force: true });
    }
  },
  300_000,
);

/** Resolves after so many frames of anybody, in the middle of whatever they are part of. */
function framesPassed(cloud: LocalTacit, count: number): Promise<void> {
  return new Promise((resolve) => {
    let seen = 0;
    const end = cloud.onFrame(() => {
      if (++seen < count) return;
      end();
      resolve();
    });
  });
}

/** Says a last word after which there is nothing, and asks everybody what they saw up to it. */
async function everything(
  people: readonly Person[],
  last: string,
): Promise<readonly { readonly lines: readonly string[]; readonly others: readonly string[] }[]> {
  for (const each of people) {
    // Nothing of anybody's waits any more when its own last word was shown to itself.
    const report = each.hear("report");
    each.tell({ type: "report", title, until: `${each.account} done` });
    await report;
  }
  const [first] = people;
  const promised = first!.hear("promised");
  first!.tell({ type: "send", title, text: last });
  await promised;
  const reports = [];
  for (const each of people) {
    const report = each.hear("report");
    each.tell({ type: "report", title, until: last });
    reports.push(await report);
  }
  return reports;
}
