/**
 * One group, this engine and OpenMLS (suite 0x0003), over random schedules: as far as OpenMLS's binding reaches. Of commits it can
 * make those that add one member, by reference; it throws received proposals away, so no second client of OpenMLS can follow such a
 * commit, and proposals by reference are left to the tests with ts-mls.
 */
import {
  createCommit,
  createGroup,
  createMessage,
  exportSecret,
  generateKeyPackage,
  getCipherSuite,
  joinGroup,
  MlsError,
  processMessage,
  members as membersOf,
  type GeneratedKeyPackage,
  type GroupState,
  type Proposal,
} from "@tacit/mls";
import { nodeProvider } from "@tacit/mls/providers/node";
import {
  openMlsCreate,
  openMlsIdentity,
  openMlsJoin,
  openMlsSuite,
  type OpenMlsGroup,
} from "../../bench/mls/peers/openMls.ts";
import { nameAuthentication as authentication } from "../../bench/mls/peers/ours.ts";
import { dice } from "./schedule.ts";

jest.setTimeout(120_000);

const suite = getCipherSuite(openMlsSuite, nodeProvider());
const now = BigInt(Math.floor(Date.now() / 1000));
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const context = text("step");

type Member =
  | { readonly by: "ours"; readonly name: string; state: GroupState }
  | { readonly by: "OpenMLS"; readonly name: string; readonly group: OpenMlsGroup; readonly add: OpenMlsGroup["add"] };

function secretOf(member: Member): string {
  return Buffer.from(
    member.by === "ours"
      ? exportSecret(member.state, "interop", context, 32)
      : member.group.exportSecret("interop", context, 32),
  ).toString("hex");
}

function agree(all: readonly Member[]): void {
  expect(new Set(all.map(secretOf)).size).toBe(1);
}

async function ourKeys(name: string): Promise<GeneratedKeyPackage> {
  return generateKeyPackage({
    suite,
    credential: { type: "basic", identity: text(name) },
    signatureKeyPair: await suite.generateSignatureKeyPair(),
    lifetime: { notBefore: now - 3600n, notAfter: now + 20n * 86_400n },
  });
}

/** Tries each tree that OpenMLS holds where the Welcome has none. */
async function ourJoin(
  name: string,
  keys: Pick<GeneratedKeyPackage, "keyPackage" | "privateKeys">,
  welcome: Uint8Array,
  trees: () => readonly Uint8Array[],
): Promise<Member> {
  const join = (ratchetTree?: Uint8Array): Promise<{ readonly state: GroupState }> =>
    joinGroup({
      suite,
      welcome,
      ...keys,
      authentication,
      lifetime: { now },
      ...(ratchetTree === undefined ? {} : { ratchetTree }),
    });
  const code = (error: unknown): string => (error instanceof MlsError ? error.code : String(error));
  try {
    return { by: "ours", name, state: (await join()).state };
  } catch (error) {
    if (code(error) !== "ratchet_tree_missing") throw error;
  }
  const reasons: string[] = [];
  for (const tree of trees()) {
    try {
      return { by: "ours", name, state: (await join(tree)).state };
    } catch (error) {
      reasons.push(code(error));
    }
  }
  throw new Error(`none of OpenMLS's trees is the group's: ${reasons.join(", ")}`);
}

async function receive(member: Member, message: Uint8Array): Promise<string> {
  if (member.by === "OpenMLS") return Buffer.from(member.group.receive(message)).toString();
  const received = await processMessage(member.state, message, { authentication });
  member.state = received.state;
  return received.kind === "application" ? Buffer.from(received.plaintext).toString() : "";
}

async function talk(all: readonly Member[], sender: Member, content: string): Promise<void> {
  let message: Uint8Array;
  if (sender.by === "ours") {
    const sent = await createMessage(sender.state, text(content));
    sender.state = sent.state;
    message = sent.message;
  } else {
    message = sender.group.send(text(content));
  }
  for (const member of all) if (member !== sender) expect(await receive(member, message)).toBe(content);
}

interface Counts {
  ourCommits: number;
  theirCommits: number;
  messages: number;
  ourJoins: number;
  theirJoins: number;
  removals: number;
}
const totals: Counts = { ourCommits: 0, theirCommits: 0, messages: 0, ourJoins: 0, theirJoins: 0, removals: 0 };

async function runSchedule(founder: "ours" | "OpenMLS", seed: number, steps: number): Promise<Counts> {
  const random = dice(seed);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const counts: Counts = { ourCommits: 0, theirCommits: 0, messages: 0, ourJoins: 0, theirJoins: 0, removals: 0 };
  let named = 0;
  const nextName = (): string => `${founder} ${seed} client ${++named}`;

  let all: Member[];
  if (founder === "ours") {
    const keys = await ourKeys(nextName());
    const state = await createGroup({ suite, groupId: text("interop"), ...keys, authentication });
    all = [{ by: "ours", name: "founder", state }];
  } else {
    const identity = await openMlsIdentity(nextName());
    const group = await openMlsCreate(identity, "interop");
    all = [{ by: "OpenMLS", name: identity.name, group, add: group.add }];
  }

  const theirAdd = async (committer: Member & { by: "OpenMLS" }, joinsOurs: boolean): Promise<void> => {
    const newcomer = await openMlsIdentity(nextName());
    const added = committer.add(newcomer);
    for (const message of added.handshake) {
      for (const member of all) if (member !== committer) await receive(member, message);
    }
    added.merge();
    counts.theirCommits++;
    if (joinsOurs) {
      all.push(await ourJoin(newcomer.name, newcomer, added.welcome, committer.group.trees));
      counts.ourJoins++;
    } else {
      const group = await openMlsJoin(newcomer, added.welcome, committer.group.tree());
      all.push({ by: "OpenMLS", name: newcomer.name, group, add: group.add });
      counts.theirJoins++;
    }
  };

  const leafOf = (observer: GroupState, name: string): number => {
    const member = membersOf(observer).find(
      ({ leafNode: { credential } }) => authentication.identity(credential, new Uint8Array(0)) === name,
    );
    if (member === undefined) throw new Error("no such member");
    return member.leafIndex;
  };

  const ourCommit = async (committer: Member & { by: "ours" }): Promise<void> => {
    const proposals: Proposal[] = [];
    const rest = all.filter((member) => member !== committer);
    let removed: Member | undefined;
    const newcomers: (() => Promise<Member>)[] = [];
    let welcome: Uint8Array = new Uint8Array(0);

    if (rest.length > 2 && random() < 0.3) {
      removed = pick(rest.filter(({ name }) => name !== "founder"));
      proposals.push({ type: "remove", removed: leafOf(committer.state, removed.name) });
    }
    while (newcomers.length < 3 && all.length + newcomers.length < 9 && random() < 0.5) {
      const name = nextName();
      if (random() < 0.5) {
        const keys = await ourKeys(name);
        proposals.push({ type: "add", keyPackage: keys.keyPackage });
        newcomers.push(() => ourJoin(name, keys, welcome, () => []));
      } else {
        const identity = await openMlsIdentity(name);
        proposals.push({ type: "add", keyPackage: identity.keyPackage });
        newcomers.push(async () => {
          const group = await openMlsJoin(identity, welcome);
          return { by: "OpenMLS", name, group, add: group.add };
        });
      }
    }
    const created = await createCommit(committer.state, {
      authentication,
      proposals,
      lifetime: { now },
      ratchetTreeInWelcome: true,
      forcePath: random() < 0.7,
    });
    for (const member of rest) await receive(member, created.commit);
    committer.state = created.next;
    counts.ourCommits++;
    if (removed !== undefined) {
      const former = removed;
      counts.removals++;
      all = all.filter((member) => member !== former);
      if (former.by === "OpenMLS") expect(() => secretOf(former)).toThrow();
    }
    welcome = created.welcomes[0]?.bytes ?? welcome;
    for (const join of newcomers) {
      const member = await join();
      counts[member.by === "ours" ? "ourJoins" : "theirJoins"]++;
      all.push(member);
    }
  };

  for (let step = 0; step < steps; step++) {
    const committer = pick(all);
    if (committer.by === "ours") await ourCommit(committer);
    else if (all.length < 9 && all.every((member) => member === committer || member.by === "ours"))
      await theirAdd(committer, all.length === 1 || random() < 0.5);
    agree(all);
    for (let i = 0; i < 2; i++, counts.messages++) await talk(all, pick(all), `message ${counts.messages}`);
  }
  for (const key of Object.keys(totals) as (keyof Counts)[]) totals[key] += counts[key];
  return counts;
}

describe("OpenMLS", () => {
  test.each([
    ["ours", 1],
    ["ours", 2],
    ["ours", 3],
    ["OpenMLS", 4],
    ["OpenMLS", 5],
    ["OpenMLS", 6],
  ] as const)("a group created by %s, seed %i", async (founder, seed) => {
    const counts = await runSchedule(founder, seed, 20);
    expect(counts.messages).toBe(40);
    expect(counts.ourJoins).toBeGreaterThan(0);
  });

  afterAll(() => {
    for (const count of Object.values(totals)) expect(count).toBeGreaterThan(0);
    console.log(
      `${totals.messages} messages, ${totals.ourCommits} commits of ours and ${totals.theirCommits} of OpenMLS, ` +
        `${totals.ourJoins} joins of ours and ${totals.theirJoins} of OpenMLS, ${totals.removals} removals`,
    );
  });
});
