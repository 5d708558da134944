/** Waiting for a chance to commit after another commit was faster: how long follows from how many seem to want the turn (contention.ts). */
import type { ConversationDeps } from "../conversationDeps.ts";
import { uniformOf } from "../../session/backoff.ts";
import { afterLoss, afterTurns, pauseOf, type Contention } from "../../session/contention.ts";

export class TurnTaking {
  readonly #deps: Pick<ConversationDeps, "clock" | "context">;
  readonly #due: () => void;
  /** Others that want to commit, since the own commit lost. */
  #contention: Contention | undefined;
  /** When the next attempt is due, while this device waits its chance. */
  #chanceAt: number | undefined;
  #cancel: (() => void) | undefined;
  /** Until then the log is not read: what ended the turn is on its way by doorbell. */
  #readsLater = false;
  /** The turn of which the relay last said that it is over. */
  #staleTurn: number | undefined;

  /** `due`: called when the chance has come. */
  constructor(deps: Pick<ConversationDeps, "clock" | "context">, due: () => void) {
    this.#deps = deps;
    this.#due = due;
  }

  get isWaiting(): boolean {
    return this.#chanceAt !== undefined;
  }

  get readsLater(): boolean {
    return this.#readsLater;
  }

  /** The relay says that `turn` is over. False where it said so before: then nothing was learned since. */
  isOver(turn: number): boolean {
    if (this.#staleTurn === turn) return false;
    this.#staleTurn = turn;
    return true;
  }

  /** An own attempt that began at `since` lost. `members`: devices in the group. */
  lost(members: number, since: number): void {
    const { clock, context } = this.#deps;
    this.#contention = afterLoss(this.#contention, { members, since, now: clock.now() });
    this.#await(pauseOf(this.#contention, uniformOf(context().provider.random)));
  }

  /** Doorbells are expected to bring what ended the turn, or they are not. */
  expectDoorbells(expected: boolean): void {
    this.#readsLater = expected;
  }

  /** Turns ended. Whoever waits its chance waits less where nobody else seems to be ready. */
  ended(turns: number): void {
    const before = this.#contention;
    if (before === undefined) return;
    const now = this.#deps.clock.now();
    const after = afterTurns(before, turns, now);
    this.#contention = after;
    if (this.#chanceAt === undefined || after.crowd === before.crowd) return;
    this.#await(Math.max(0, this.#chanceAt - now) * (after.crowd / before.crowd));
  }

  /** An own commit landed: whoever comes next begins to count anew. */
  won(): void {
    this.#contention = undefined;
  }

  /** The conversation goes on in another log. */
  startOver(): void {
    this.#contention = this.#staleTurn = undefined;
  }

  cancel(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#chanceAt = undefined;
    this.#readsLater = false;
  }

  #await(delay: number): void {
    const { clock } = this.#deps;
    this.cancel();
    this.#chanceAt = clock.now() + delay;
    this.#cancel = clock.after(delay, () => {
      this.cancel();
      this.#due();
    });
  }
}
