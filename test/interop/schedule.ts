/** A random schedule that clients of several libraries follow in one group; all must agree after each step. */
import type { Peer, PeerProposal } from "../../bench/mls/peers/peer.ts";

export type Factory = (name: string) => Promise<Peer>;

export interface ScheduleOptions {
  readonly random: () => number;
  readonly create: Factory;
  /** New members come from these in turn. */
  readonly others: readonly Factory[];
  readonly steps: number;
  readonly largest?: number;
  /** A client of another library that cannot join and says one of these stays out; its leaf stays. */
  readonly joinDefects?: readonly string[];
  /** A member that is removed and fails with one of these instead of noticing is out all the same. */
  readonly removalDefects?: readonly string[];
}

export interface ScheduleResult {
  readonly messages: number;
  /** By library. */
  readonly commits: ReadonlyMap<string, number>;
  readonly joins: number;
  readonly failedJoins: number;
  readonly failedRemovals: number;
}

const encoder = new TextEncoder();

/** mulberry32 */
export function dice(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** This engine has none. */
function isKnown(peer: Peer, defects: readonly string[], error: unknown): boolean {
  return peer.library !== "@tacit/mls" && defects.some((defect) => String(error).includes(defect));
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

export async function runSchedule(options: ScheduleOptions): Promise<ScheduleResult> {
  const { random, others, steps, largest = 9, joinDefects = [], removalDefects = [] } = options;
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const commits = new Map<string, number>();
  let messages = 0;
  let joins = 0;
  let failedJoins = 0;
  let failedRemovals = 0;
  let named = 0;
  let members: Peer[] = [];

  const newcomer = (): Promise<Peer> => {
    const number = ++named;
    return (others[number % others.length] as Factory)(`client ${number}`);
  };

  const commit = async (
    committer: Peer,
    proposals: readonly PeerProposal[],
    added: readonly Peer[],
    removed: ReadonlySet<Peer>,
  ): Promise<void> => {
    const created = await committer.commit(proposals);
    const remaining: Peer[] = [];
    for (const member of members) {
      if (member === committer) {
        await member.merge();
        remaining.push(member);
        continue;
      }
      if (await follows(member, created.commit, removed.has(member))) remaining.push(member);
    }
    commits.set(committer.library, (commits.get(committer.library) ?? 0) + 1);
    members = remaining;
    for (const peer of added) await join(peer, created.welcome);
  };

  const follows = async (member: Peer, message: Uint8Array, isRemoved: boolean): Promise<boolean> => {
    try {
      const received = await member.receive(message);
      expect(received).toEqual({ kind: "handshake", removed: isRemoved });
    } catch (error) {
      if (!isRemoved || !isKnown(member, removalDefects, error)) throw error;
      failedRemovals++;
    }
    return !isRemoved;
  };

  const join = async (peer: Peer, welcome: Uint8Array | undefined): Promise<void> => {
    if (welcome === undefined) throw new Error("a commit that adds somebody has a Welcome");
    try {
      await peer.join(welcome);
      members.push(peer);
      joins++;
    } catch (error) {
      if (!isKnown(peer, joinDefects, error)) throw error;
      failedJoins++;
    }
  };

  const talk = async (): Promise<void> => {
    const sender = pick(members);
    const text = `message ${messages}`;
    const sealed = await sender.send(encoder.encode(text));
    for (const member of members) {
      if (member === sender) continue;
      const received = await member.receive(sealed);
      expect(received.kind === "application" && Buffer.from(received.plaintext).toString()).toBe(text);
    }
    messages++;
  };

  const agree = async (): Promise<void> => {
    const seen = new Set<string>();
    for (const member of members) seen.add(hex(await member.exportSecret("interop", encoder.encode("step"), 32)));
    expect(seen.size).toBe(1);
  };

  const propose = async (proposer: Peer, proposal: PeerProposal): Promise<void> => {
    const message = await proposer.propose(proposal);
    for (const member of members) if (member !== proposer) await member.receive(message);
  };

  members = [await options.create("founder")];
  await (members[0] as Peer).create(encoder.encode("interop"));

  for (let step = 0; step < steps; step++) {
    const committer = pick(members);
    const rest = members.filter((member) => member !== committer);
    const proposals: PeerProposal[] = [];
    const added: Peer[] = [];
    /** Those whom a proposal is about already; nobody is removed twice. */
    const touched = new Set<Peer>();
    const removed = new Set<Peer>();

    // By reference: updates of some who can make one, and one removal or add that another member asks for.
    if (rest.length > 0 && random() < 0.4) {
      const proposer = pick(rest);
      if (proposer.library !== "ts-mls") {
        touched.add(proposer);
        await propose(proposer, { type: "update" });
      }
    }
    if (rest.length > 2 && random() < 0.3) {
      const target = pick(rest.filter((member) => !touched.has(member)));
      const proposer = pick(members.filter((member) => member !== target));
      touched.add(target);
      removed.add(target);
      await propose(proposer, { type: "remove", leafIndex: target.leafIndex() });
    }
    if (members.length < largest && random() < 0.2) {
      const peer = await newcomer();
      await propose(pick(members), { type: "add", keyPackage: peer.keyPackage });
      added.push(peer);
    }

    // By value.
    if (members.length < 3 || (members.length < largest && random() < 0.45)) {
      const count = 1 + Math.floor(random() * 3);
      for (let i = 0; i < count; i++) {
        const peer = await newcomer();
        proposals.push({ type: "add", keyPackage: peer.keyPackage });
        added.push(peer);
      }
    }
    const removable = rest.filter((member) => !touched.has(member));
    if (removable.length > 2 && random() < 0.25) {
      const target = pick(removable);
      removed.add(target);
      proposals.push({ type: "remove", leafIndex: target.leafIndex() });
    }
    await commit(committer, proposals, added, removed);
    await agree();
    await talk();
    await talk();
  }
  return { messages, commits, joins, failedJoins, failedRemovals };
}
