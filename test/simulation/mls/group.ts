/**
 * A group of devices under random events. It knows what each device should hear and counts every difference: `disagreements` when
 * members do not follow each other, `leaks` when one reads what it must not.
 */
import {
  createGroup,
  epochAuthenticator,
  lenientConfig,
  members,
  MlsError,
  processMessage,
  strictConfig,
  type CipherSuite,
  type GroupConfig,
  type GroupState,
  type ProcessedMessage,
} from "@tacit/mls";
import { authentication, newClient, text, type Client } from "../../mls/world.ts";
import type { Dice } from "./dice.ts";
import { leaksTo, newGhost, type AcceptedCommit, type Ghost } from "./ghost.ts";
import { newMember, type Delivery, type Member, type Spoken } from "./member.ts";
import { lookup } from "./psks.ts";

export interface Counts {
  commits: number;
  messages: number;
  refusedAttacks: number;
  removals: number;
  externalJoins: number;
  restarts: number;
  largest: number;
  disagreements: number;
  leaks: number;
}

const backlogLimit = 40;

const show = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

export class Group {
  readonly suite: CipherSuite;
  readonly dice: Dice;
  readonly maximum: number;
  /** HPKE trials per commit and removed member. */
  readonly trials: number;
  readonly attacks: readonly string[];
  readonly config: GroupConfig;
  readonly members = new Map<string, Member>();
  /** Removed members, the latest last. */
  readonly ghosts: Ghost[] = [];
  /** Clients that somebody proposed to add, until the epoch ends. */
  readonly candidates = new Map<string, Client>();
  /** Messages that somebody has not heard yet. */
  late: { readonly spoken: Spoken; readonly to: string }[] = [];
  readonly counts: Counts = {
    commits: 0,
    messages: 0,
    refusedAttacks: 0,
    removals: 0,
    externalJoins: 0,
    restarts: 0,
    largest: 1,
    disagreements: 0,
    leaks: 0,
  };
  /** In words, for the report. */
  readonly findings: string[] = [];
  #names = 0;

  constructor(suite: CipherSuite, dice: Dice, maximum: number, trials: number, attacks: readonly string[]) {
    this.suite = suite;
    this.dice = dice;
    this.maximum = maximum;
    this.trials = trials;
    this.attacks = attacks;
    this.config = dice.chance(0.5) ? strictConfig : lenientConfig;
  }

  disagree(what: string): void {
    this.counts.disagreements++;
    this.findings.push(`disagreement: ${what}`);
  }

  leak(what: string): void {
    this.counts.leaks++;
    this.findings.push(`leak: ${what}`);
  }

  newName(): string {
    return `member ${this.#names++}`;
  }

  client(name: string): Promise<Client> {
    return newClient(this.suite, name, { capabilities: { extensions: [0xf0f0] }, lastResort: this.dice.chance(0.3) });
  }

  get online(): Member[] {
    return [...this.members.values()].filter(({ backlog }) => backlog === undefined);
  }

  async start(): Promise<void> {
    const client = await this.client(this.newName());
    const state = await createGroup({
      suite: this.suite,
      groupId: text(`group of ${client.name}`),
      keyPackage: client.keyPackage,
      privateKeys: client.privateKeys,
      authentication,
      config: this.config,
    });
    this.members.set(client.name, newMember(client.name, state));
  }

  process(state: GroupState, bytes: Uint8Array): Promise<ProcessedMessage> {
    return processMessage(state, bytes, { authentication, psks: lookup(this.suite) });
  }

  /** `undefined` when it was refused with a typed error; anything else that is thrown is a finding. */
  async attempt(state: GroupState, bytes: Uint8Array): Promise<ProcessedMessage | MlsError> {
    try {
      return await this.process(state, bytes);
    } catch (error) {
      if (error instanceof MlsError) return error;
      this.disagree(`an untyped error: ${String(error)}`);
      return new MlsError("untyped", String(error));
    }
  }

  /** To all but the sender, who has it already; to the absent later. */
  async broadcast(delivery: Delivery, except: string | undefined): Promise<void> {
    for (const member of [...this.members.values()]) {
      if (member.name === except) continue;
      if (member.backlog === undefined) {
        await this.deliver(member, delivery);
      } else {
        member.backlog.push(delivery);
        if (member.backlog.length > backlogLimit) await this.comeBack(member);
      }
    }
  }

  async deliver(member: Member, delivery: Delivery): Promise<void> {
    if (delivery.kind === "application") return this.hear(member, delivery.spoken);
    const outcome = await this.attempt(member.state, delivery.bytes);
    if (outcome instanceof MlsError || outcome.kind !== delivery.kind) {
      const reason = outcome instanceof MlsError ? `${outcome.code}: ${outcome.message}` : outcome.kind;
      this.disagree(`${member.name} does not accept a ${delivery.kind} (${reason})`);
      return;
    }
    if (outcome.kind === "commit" && outcome.removed) this.disagree(`${member.name} believes that it was removed`);
    member.state = outcome.state;
  }

  /** What was missed, from the state that was stored, in its order. */
  async comeBack(member: Member): Promise<void> {
    const backlog = member.backlog ?? [];
    member.backlog = undefined;
    member.state = member.disk.load(member.state);
    this.counts.restarts++;
    for (const delivery of backlog) await this.deliver(member, delivery);
  }

  /** Does the member read exactly what it may? */
  async hear(member: Member, spoken: Spoken): Promise<void> {
    const expected = this.#mayRead(member, spoken);
    const outcome = await this.attempt(member.state, spoken.bytes);
    const read = !(outcome instanceof MlsError) && outcome.kind === "application" ? outcome : undefined;
    const what = `${member.name} in epoch ${member.state.epoch.groupContext.epoch}, message of ${spoken.sender} in ${spoken.epoch}`;
    if (read === undefined) {
      if (expected && outcome instanceof MlsError) this.disagree(`not read (${outcome.code}): ${what}`);
      return;
    }
    if (!expected) return this.leak(`read too late, too early or twice: ${what}`);
    if (show(read.plaintext) !== spoken.plaintext) this.disagree(`read wrongly: ${what}`);
    if (read.generation !== spoken.generation || read.epoch !== spoken.epoch) this.disagree(`misplaced: ${what}`);
    member.state = read.state;
    this.#heardOf(member, spoken).add(spoken.generation);
    this.counts.messages++;
  }

  #heardOf(member: Member, { epoch, sender }: Spoken): Set<number> {
    const key = `${epoch}/${sender}`;
    let heard = member.heard.get(key);
    if (heard === undefined) member.heard.set(key, (heard = new Set()));
    return heard;
  }

  #mayRead(member: Member, spoken: Spoken): boolean {
    const age = member.state.epoch.groupContext.epoch - spoken.epoch;
    if (age < 0n || spoken.epoch < member.joined || age > BigInt(this.config.pastEpochs)) return false;
    const heard = this.#heardOf(member, spoken);
    if (heard.has(spoken.generation)) return false;
    return this.config.skippedKeys > 0 || [...heard].every((generation) => generation < spoken.generation);
  }

  /** A commit that the group accepted. Who it removes leaves with all it had. */
  async accept(
    accepted: AcceptedCommit & { readonly removed: readonly number[] },
    committer: string | undefined,
  ): Promise<void> {
    const gone: Ghost[] = [];
    for (const leafIndex of accepted.removed) {
      const member = [...this.members.values()].find(({ state }) => state.epoch.ownLeafIndex === leafIndex);
      if (member === undefined) throw new Error(`nobody is at leaf ${leafIndex}`);
      if (member.backlog !== undefined) await this.comeBack(member);
      this.members.delete(member.name);
      const outcome = await this.attempt(member.state, accepted.bytes);
      if (outcome instanceof MlsError || outcome.kind !== "commit" || !outcome.removed) {
        const reason = outcome instanceof MlsError ? outcome.message : outcome.kind;
        this.disagree(`${member.name} does not learn that it was removed (${reason})`);
      }
      gone.push(newGhost(member.name, member.state));
      this.counts.removals++;
    }
    await this.broadcast({ kind: "commit", bytes: accepted.bytes }, committer);
    this.counts.commits++;
    this.candidates.clear();
    for (const ghost of gone) await this.#haunt(ghost, accepted, true);
    // Of those who left before: the latest, and one at random.
    const older = this.ghosts.slice(-1);
    if (this.ghosts.length > 1) older.push(this.dice.pick(this.ghosts.slice(0, -1)));
    for (const ghost of older) await this.#haunt(ghost, accepted, false);
    this.ghosts.push(...gone);
  }

  async #haunt(ghost: Ghost, accepted: AcceptedCommit, newlyRemoved: boolean): Promise<void> {
    for (const way of await leaksTo(ghost, accepted, newlyRemoved, this.trials, this.dice)) {
      this.leak(`${ghost.name}, removed, ${way} in epoch ${accepted.after.epoch.groupContext.epoch}`);
    }
  }

  /** All who are reachable are in one epoch, with the members that there should be. */
  compare(): void {
    const seen = new Set<string>();
    const roster = [...this.members.keys()].sort().join();
    for (const { name, state } of this.online) {
      seen.add(Buffer.from(epochAuthenticator(state)).toString("hex"));
      const listed = members(state).map(({ leafNode }) =>
        leafNode.credential.type === "basic" ? show(leafNode.credential.identity) : "",
      );
      if (listed.sort().join() !== roster) this.disagree(`${name} sees other members`);
      if (!members(state).some(({ leafIndex }) => leafIndex === state.epoch.ownLeafIndex)) {
        this.disagree(`${name} is not where it believes to be`);
      }
    }
    if (seen.size !== 1) this.disagree(`${seen.size} epochs`);
    this.counts.largest = Math.max(this.counts.largest, this.members.size);
  }
}
