/**
 * Who was in when: for each epoch of each log the devices in it, as the engines of honest devices had it. What was sealed in an epoch is
 * for those, whatever the relay believed at the time. Two devices with different members in one epoch are a fork.
 */
import type { Conversation } from "../../../lambdas/ports.ts";

/** Why a device may not see all of a conversation, known to the run from elsewhere than its timeline. */
export type Cause =
  /** Its application asked to be put in anew. */
  | "repairAsked"
  /** Its user did not want the conversation. */
  | "declined"
  /** It was linked, and its application asked for the conversation before it had been put into it. */
  | "askedEarly"
  /** The time of the Welcome was over before it was taken. */
  | "welcomeExpired"
  /** All its key packages had ended: nobody could put it into what they began meanwhile. */
  | "unreachable";

/** What a cause concerns that is one in every conversation. */
export const everywhere = "";

export class Memberships {
  /** `<log> <epoch>` -> devices, sorted. */
  readonly #epochs = new Map<string, readonly string[]>();
  readonly #newest = new Map<string, bigint>();
  /** `<device's name> <log>` -> the last epoch that it was in. */
  readonly #last = new Map<string, bigint>();
  readonly #predecessors = new Map<string, string>();
  readonly #openers = new Map<string, string>();
  /** `<log> <account>` -> the seq of the proposal by which it left. */
  readonly #leavings = new Map<string, number[]>();
  /** `<log> <account>` -> the seqs of commits that put it on the roster. */
  readonly #admissions = new Map<string, number[]>();
  /** `<device> <root>` -> causes, and since when. */
  readonly #causes = new Map<string, Map<Cause, number>>();
  readonly #find: (device: string, log: string, why: string) => void;

  constructor(find: (device: string, log: string, why: string) => void) {
    this.#find = find;
  }

  created(log: string, { predecessor, lastCommit }: Pick<Conversation, "predecessor" | "lastCommit">): void {
    if (predecessor === undefined || this.#openers.has(log)) return;
    this.#predecessors.set(log, predecessor);
    this.#openers.set(log, lastCommit.by);
  }

  /** Who opened `log`, where it is a successor. */
  openerOf(log: string): string | undefined {
    return this.#openers.get(log);
  }

  /** Logs that go on from others. */
  get successors(): readonly string[] {
    return [...this.#openers.keys()];
  }

  /** The first log of the conversation that `log` belongs to. */
  rootOf(log: string): string {
    let root = log;
    for (let before = this.#predecessors.get(root); before !== undefined; before = this.#predecessors.get(root)) {
      root = before;
    }
    return root;
  }

  predecessorOf(log: string): string | undefined {
    return this.#predecessors.get(log);
  }

  /** `device` is in this epoch, with these. */
  seen(device: string, log: string, epoch: bigint, devices: readonly string[]): void {
    const name = `${log} ${epoch}`;
    this.#last.set(`${device} ${log}`, epoch);
    const known = this.#epochs.get(name);
    if (known === undefined) {
      this.#epochs.set(name, [...devices].sort());
      if (epoch > (this.#newest.get(log) ?? -1n)) this.#newest.set(log, epoch);
    } else if (known.join() !== [...devices].sort().join()) {
      this.#find(device, log, `a fork: epoch ${epoch} is of ${devices.join()} here, and of ${known.join()} elsewhere`);
    }
  }

  /** Undefined where no device was ever seen in it. */
  devicesIn(log: string, epoch: bigint): readonly string[] | undefined {
    return this.#epochs.get(`${log} ${epoch}`);
  }

  /** The last epoch of `log` that the device of that name was in. */
  lastEpochOf(device: string, log: string): bigint | undefined {
    return this.#last.get(`${device} ${log}`);
  }

  /** Whether it is in the last epoch that anybody was seen in. */
  isInNewest(device: string, log: string): boolean {
    const newest = this.#newest.get(log);
    return newest !== undefined && this.devicesIn(log, newest)?.includes(device) === true;
  }

  left(log: string, account: string, seq: number): void {
    append(this.#leavings, `${log} ${account}`, seq);
  }

  admitted(log: string, accounts: readonly string[], seq: number): void {
    for (const account of accounts) append(this.#admissions, `${log} ${account}`, seq);
  }

  /** Whether it had left, and nobody had taken it in again, when something came to stand at `seq`. */
  hasLeft(log: string, account: string, seq: number): boolean {
    const last = (names: ReadonlyMap<string, readonly number[]>): number =>
      names.get(`${log} ${account}`)?.findLast((each) => each <= seq) ?? 0;
    return last(this.#leavings) > last(this.#admissions);
  }

  because(device: string, conversation: string, cause: Cause, at: number): void {
    const name = `${device} ${this.rootOf(conversation)}`;
    const causes = this.#causes.get(name) ?? new Map<Cause, number>();
    if (!causes.has(cause)) causes.set(cause, at);
    this.#causes.set(name, causes);
  }

  hasAnywhere(device: string, cause: Cause): boolean {
    return [...this.#causes].some(([name, causes]) => name.startsWith(`${device} `) && causes.has(cause));
  }

  /** When it first was so; Infinity: it never was. */
  since(device: string, root: string, cause: Cause): number {
    return this.#causes.get(`${device} ${root}`)?.get(cause) ?? Infinity;
  }
}

function append(lists: Map<string, number[]>, name: string, seq: number): void {
  const list = lists.get(name);
  if (list === undefined) lists.set(name, [seq]);
  else list.push(seq);
}
