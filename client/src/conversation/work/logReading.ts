/** Reading the log of a conversation: whether there is something to read, who waits for it, and when a member gives the log up. */
import type { ConversationDeps } from "../conversationDeps.ts";
import type { ConversationSteps } from "../conversationSteps.ts";
import { readLog } from "../readLog.ts";
import { Refused } from "../../connection/relaySocket.ts";
import { ended, stuck } from "../../session/reading/applied.ts";
import type { ConversationState } from "../../session/conversation.ts";
import { findWelcome } from "./findWelcome.ts";
import type { Waiters } from "./waiters.ts";

/** Answers "not a member" after which a device that is in takes it that it cannot follow. */
const absencesToEnd = 3;

export class LogReading {
  readonly #deps: ConversationDeps;
  readonly #steps: ConversationSteps;
  readonly #waiters: Waiters;
  readonly #caughtUp: () => void;
  /** Something may be in the log that was not read: at the start, and after an answer that did not come. */
  #mustRead = true;
  /** The highest seq that a doorbell named. */
  #rung = 0;
  #hasFailed = false;
  #absences = 0;
  /** Who waits for the log to be read, or for that to fail. */
  readonly #readWaiters: (() => void)[] = [];

  /** `caughtUp`: called when the log was read to its end. */
  constructor(deps: ConversationDeps, steps: ConversationSteps, waiters: Waiters, caughtUp: () => void) {
    this.#deps = deps;
    this.#steps = steps;
    this.#waiters = waiters;
    this.#caughtUp = caughtUp;
  }

  /** Something was not read, whatever doorbells say. */
  get isOwed(): boolean {
    return this.#mustRead;
  }

  get isDue(): boolean {
    return this.#mustRead || this.#rung > this.#steps.now.cursor;
  }

  /** What waits to be repeated is the reading itself. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  owe(): void {
    this.#mustRead = true;
  }

  owesNothing(): void {
    this.#mustRead = false;
  }

  /** There are entries up to `seq`. */
  rung(seq: number): void {
    this.#rung = Math.max(this.#rung, seq);
  }

  /** The conversation goes on in another log. */
  startOver(): void {
    this.#rung = 0;
    this.#absences = 0;
    this.#mustRead = true;
  }

  /** Resolves when the log was read, or will not be for now. */
  settled(): Promise<void> {
    return new Promise((resolve) => this.#readWaiters.push(resolve));
  }

  settle(): void {
    for (const waiter of this.#readWaiters.splice(0)) waiter();
  }

  /** As a piece of work of its own: where it fails, it is what is repeated. @throws as `read` */
  async readFirst(): Promise<void> {
    this.#hasFailed = true;
    await this.read();
    this.#hasFailed = false;
  }

  /** To the end. @throws Refused, LostAnswer */
  async read(): Promise<void> {
    const rung = this.#rung;
    const begun = this.#steps.now;
    this.#mustRead = true;
    try {
      await readLog(this.#deps, this.#steps);
      this.#absences = 0;
    } catch (error) {
      if (!(error instanceof Refused) || error.refusal.code !== "not_a_member") throw error;
      if (this.#steps.now.phase === "open" && ++this.#absences < absencesToEnd) throw error;
      await this.#notThere(begun);
    }
    this.#mustRead = false;
    if (this.#rung === rung) this.#rung = 0;
    this.settle();
    this.#caughtUp();
    await findWelcome({ deps: this.#deps, steps: this.#steps, waiters: this.#waiters, reading: this });
  }

  /** Not on the roster, or no such conversation, as the relay says: the others are asked, unless this account wanted to go. */
  async #notThere({ log, joinedAt }: ConversationState): Promise<void> {
    await this.#steps.take((state) => {
      if (state.phase !== "open" || state.log !== log || state.joinedAt !== joinedAt) return undefined;
      const { connection, context } = this.#deps;
      const at = { seq: state.cursor, storedAt: connection.now() };
      const left = { kind: "left", accounts: [context().account] } as const;
      return state.leaving === undefined ? stuck(state, at) : ended(state, left, at);
    });
    this.#absences = 0;
  }
}
