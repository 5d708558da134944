/**
 * One conversation, a few people who write and read at once, a clock, and a table that deletes what has expired when
 * and in which order it likes. The rules are the relay's own; the ports are memory, one step for each call.
 */
import { createHash } from "node:crypto";
import type { Entry } from "@tacit/protocol";
import { append } from "../../lambdas/core/append.ts";
import type { Caller } from "../../lambdas/core/caller.ts";
import { commit } from "../../lambdas/core/commit.ts";
import { propose } from "../../lambdas/core/propose.ts";
import { readLog } from "../../lambdas/core/readLog.ts";
import { Refused } from "../../lambdas/core/refused.ts";
import type { Relay } from "../../lambdas/core/relay.ts";
import type { Conversation, StoredEntry } from "../../lambdas/ports.ts";
import { memoryPorts } from "../support/memoryPorts.ts";
import { Violation, type Choice, type Run } from "./explore.ts";

export const name = "g-AAAAAAAAAAAAAAAAAAAAAA";
/** Milliseconds that an invocation may take: the function's timeout. */
const timeout = 10_000;

export type World = {
  readonly entries: readonly StoredEntry[];
  readonly conversation: Conversation;
  /** Times that the clock passes, from the first on. */
  readonly clock: readonly number[];
  readonly people: Readonly<Record<string, Person>>;
  readonly retention: number;
  readonly place: Relay["place"];
  /** Changes what a person's calls do, to plant a fault. */
  readonly distort?: (relay: Relay) => Relay;
};

export type Person =
  | {
      readonly does: "append";
      readonly turn: number;
      readonly entries?: number;
      readonly losesAnswer?: boolean;
      /** It is not to be told `busy`: nobody is in its way for long. */
      readonly lands?: boolean;
    }
  | { readonly does: "commit"; readonly turn: number; readonly remove?: readonly string[] }
  | { readonly does: "leave"; readonly turn: number; readonly account: string }
  | { readonly does: "read"; readonly pages: number; readonly limit: number };

type Waiting = { readonly call: string; readonly go: () => void };

type Process = {
  readonly name: string;
  readonly person: Person;
  started: number | undefined;
  /** Calls that wait for their turn. */
  waiting: readonly Waiting[];
  /** What its calls returned, which is all that it knows. */
  readonly history: string[];
  state: "running" | "done" | "killed";
  outcome: string | undefined;
};

/** Everything that ever landed, though the table forgets. */
type Landed = { readonly entry: StoredEntry; readonly account: string | undefined };

export function runWorld(world: World): Run {
  let time = 0;
  const now = (): number => world.clock[time]!;
  const memory = memoryPorts({ now, settings: { retention: world.retention } });
  const table = new Map(world.entries.map((entry) => [entry.seq, entry]));
  memory.tables.log.set(name, table);
  memory.tables.conversations.set(name, world.conversation);
  const landed: Landed[] = world.entries.map((entry) => ({ entry, account: undefined }));
  const seen: Entry[] = [];
  /** What was there, alive, when the reader's last page was read. */
  let due: readonly number[] = [];
  const faults: string[] = [];

  const processes = Object.entries(world.people).map(([name, person]): Process => ({
    name,
    person,
    started: undefined,
    waiting: [],
    history: [],
    state: "running",
    outcome: undefined,
  }));

  function noteLandings(by: Process, call: () => Promise<unknown>): Promise<unknown> {
    const before = new Set(table.keys());
    // Memory acts before its promise is awaited, but for one turn of the queue: the table is compared afterwards.
    return call().then((result) => {
      for (const [seq, entry] of table) if (!before.has(seq)) judge(entry, by);
      return result;
    });
  }

  function judge(entry: StoredEntry, by: Process): void {
    const last = landed.at(-1)?.entry;
    const since = landed.slice(world.entries.length);
    const commits = world.conversation.turn + since.filter(({ entry: { kind } }) => kind === "commit").length;
    const fault = (message: string): void => void faults.push(`${by.name}: ${message} (seq ${entry.seq})`);
    if (landed.some(({ entry: { seq } }) => seq === entry.seq)) fault("a seq is used twice");
    if (last !== undefined && entry.seq <= last.seq) fault("entries are out of order");
    if (entry.turn !== commits) fault(`a stale turn is admitted: ${entry.turn}, not ${commits}`);
    if (entry.prev < (last?.seq ?? 0) || entry.prev >= entry.seq) fault(`prev ${entry.prev} hides an entry`);
    const isThere = last !== undefined && table.has(last.seq) && now() < last.ttl * 1_000;
    if (isThere && entry.prev !== last.seq) fault(`prev ${entry.prev} claims a gap`);
    if (last !== undefined && entry.ttl < last.ttl) fault("ttl decreases");
    const { ceiling, roster } = memory.tables.conversations.get(name)!;
    if (entry.seq > ceiling) fault("above the ceiling");
    const isLeaving = entry.kind === "proposal" && by.person.does === "leave";
    if (!isLeaving && !roster.includes(accountOf(by))) fault("lands though its account had left");
    landed.push({ entry, account: accountOf(by) });
  }

  /** The ports as `process` sees them. */
  function relayOf(process: Process): Relay {
    const scheduled = <T extends object>(port: T, label: string, repeats: (method: string) => boolean): T =>
      new Proxy(port, {
        get: (target, method: string) => {
          const original = Reflect.get(target, method) as (...args: unknown[]) => Promise<unknown>;
          const step = (args: unknown[], suffix: string) =>
            new Promise<void>((go) => {
              process.waiting = [...process.waiting, { call: `${label}.${method}${suffix}`, go }];
            }).then(() => noteLandings(process, () => original(...args)));
          return async (...args: unknown[]) => {
            if (process.person.does === "read" && method === "page") noteDue();
            // The answer of the first attempt is lost, and the database's client makes a second.
            if (repeats(method)) await step(args, " (answer lost)");
            const result = await step(args, "");
            process.history.push(`${method} ${now()} ${JSON.stringify(result, plain) ?? ""}`);
            return result;
          };
        },
      });
    const loses = process.person.does === "append" && process.person.losesAnswer === true;
    const never = (): boolean => false;
    return {
      ...memory.ports,
      log: scheduled(memory.ports.log, "log", (method) => loses && method === "put"),
      conversations: scheduled(memory.ports.conversations, "conversations", never),
      landing: scheduled(memory.ports.landing, "landing", never),
      random: { id: () => "", fraction: () => 0.999 },
      blocked: new Map(),
      place: world.place,
    };
  }

  function noteDue(): void {
    due = [...table.values()].filter(({ expires }) => now() < expires).map(({ seq }) => seq);
  }

  async function perform(process: Process): Promise<void> {
    const relay = (world.distort ?? ((same: Relay) => same))(relayOf(process));
    const caller = callerNamed(process.name, accountOf(process));
    const { person } = process;
    const payload = { inline: "AA" };
    switch (person.does) {
      case "append": {
        const entries = Array.from({ length: person.entries ?? 1 }, (_, i) => ({ id: idOf(process.name, i), payload }));
        const { answer } = await append(relay, caller, { conversation: name, turn: person.turn, entries });
        return requireLanded(process, answer.accepted);
      }
      case "commit": {
        const entry = idOf(process.name, 0);
        const remove = [...(person.remove ?? [])];
        const request = {
          conversation: name,
          turn: person.turn,
          after: 1_000,
          entry,
          payload,
          welcomes: [],
          blobs: [],
          add: [],
          remove,
        };
        return requireLanded(process, [(await commit(relay, caller, request)).answer]);
      }
      case "leave": {
        const entry = idOf(process.name, 0);
        const request = { conversation: name, turn: person.turn, entry, payload, leave: true };
        return requireLanded(process, [(await propose(relay, caller, request)).answer]);
      }
      case "read": {
        let after: number | undefined = 0;
        for (let page = 0; page < person.pages; page++) {
          const { answer }: Awaited<ReturnType<typeof readLog>> = await readLog(relay, caller, {
            conversation: name,
            after,
            limit: person.limit,
          });
          noteRead(answer.entries);
          after = answer.next ?? Math.max(after, answer.entries.at(-1)?.seq ?? 0);
          if (answer.next === undefined) requireComplete(process, after);
        }
      }
    }
  }

  function requireLanded(process: Process, answers: readonly { id: string; seq: number; turn: number }[]): void {
    for (const { id, seq, turn } of answers) {
      const found = landed.filter(({ entry }) => entry.id === id);
      const [only] = found;
      if (found.length !== 1 || only?.entry.seq !== seq || only.entry.turn !== turn) {
        faults.push(`${process.name}: is told seq ${seq}, and ${found.length} such entries landed`);
      }
    }
  }

  function noteRead(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const cursor = seen.at(-1)?.seq ?? 0;
      if (entry.seq <= cursor) faults.push(`the reader sees seq ${entry.seq} after ${cursor}`);
      const isHidden = landed.some(({ entry: { seq } }) => seq > cursor && seq < entry.seq);
      if (isHidden && entry.prev <= cursor)
        faults.push(`the reader cannot see that one is missing before ${entry.seq}`);
      seen.push(entry);
    }
  }

  /** The reader was told that there is no more. */
  function requireComplete(process: Process, cursor: number): void {
    const missed = due.filter((seq) => !seen.some((entry) => entry.seq === seq) && table.has(seq));
    const alive = missed.filter((seq) => now() < table.get(seq)!.expires);
    if (alive.length > 0) faults.push(`${process.name}: at ${cursor}, was not given seq ${alive.join()}`);
  }

  function startProcess(process: Process): void {
    perform(process).then(
      () => {
        process.state = "done";
        process.outcome = "ok";
      },
      (error: unknown) => {
        process.state = "done";
        process.outcome = error instanceof Refused ? error.refusal.code : String(error);
        const { person: what, outcome } = process;
        if (what.does === "append" && what.lands && outcome === "busy") faults.push(`${process.name}: is kept waiting`);
        if (!(error instanceof Refused)) faults.push(`${process.name}: ${String(error)}`);
        const wrote = landed.some(({ entry }) => entry.id === idOf(process.name, 0));
        if (wrote && person(process) !== "read") faults.push(`${process.name}: is refused, but its entry landed`);
      },
    );
  }

  function tick(): void {
    time++;
    for (const process of processes) {
      if (process.state !== "running" || process.started === undefined || now() - process.started <= timeout) continue;
      process.state = "killed";
      process.waiting = [];
    }
  }

  processes.forEach(startProcess);

  return {
    choices() {
      if (faults.length > 0) throw new Violation(faults.join("; "));
      const choices: Choice[] = [];
      for (const process of processes) {
        for (const one of process.waiting) {
          const take = (): void => {
            process.waiting = process.waiting.filter((other) => other !== one);
            // Starting does nothing by itself, so to start as late as can be is to live as long as can be.
            process.started ??= now();
            one.go();
          };
          choices.push({ name: `${process.name}: ${one.call}`, take });
        }
      }
      if (time + 1 < world.clock.length)
        choices.push({ name: `the clock goes to ${world.clock[time + 1]}`, take: tick });
      for (const [seq, { ttl }] of table) {
        if (now() > ttl * 1_000) choices.push({ name: `seq ${seq} is deleted`, take: () => void table.delete(seq) });
      }
      return choices;
    },
    state() {
      const people = processes.map(({ state, started, history, outcome, waiting }) => [
        state,
        started,
        history,
        outcome,
        waiting.map(({ call }) => call),
      ]);
      const rest = [
        time,
        [...table].sort(([a], [b]) => a - b),
        memory.tables.conversations.get(name),
        landed,
        seen,
        due,
      ];
      return createHash("sha1")
        .update(JSON.stringify([people, rest], plain))
        .digest("base64");
    },
    finish() {
      if (faults.length > 0) throw new Violation(faults.join("; "));
      const open = processes.filter(({ state }) => state === "running");
      if (open.length > 0) throw new Error(`${open[0]!.name} waits for nothing`);
    },
  };
}

const person = ({ person: { does } }: Process): Person["does"] => does;

function plain(_key: string, value: unknown): unknown {
  return value instanceof Map ? [...value] : value;
}

const accountOf = ({ name, person }: Process): string =>
  person.does === "leave" ? person.account : name.split(" ")[0]!;

const idOf = (name: string, index: number): string =>
  createHash("sha256").update(`${name} ${index}`).digest().subarray(0, 16).toString("base64url");

function callerNamed(name: string, account: string): Caller {
  const forever = Number.MAX_SAFE_INTEGER;
  return {
    account,
    device: name,
    scope: "full",
    reason: undefined,
    expires: forever,
    connection: name,
    connectedAt: 0,
    requestId: name,
  };
}
