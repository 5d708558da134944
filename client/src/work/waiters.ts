/** Who waits for a conversation to be opened, or for something that is wanted in it to be so. */
import { deferred, type Deferred } from "../deferred.ts";
import type { TacitError } from "../errors.ts";
import type { ConversationState } from "../session/conversation.ts";

export class Waiters {
  readonly #opening: Deferred<void>[] = [];
  /** By the intent's id. */
  readonly #intents = new Map<string, Deferred<void>>();

  get isEmpty(): boolean {
    return this.#opening.length + this.#intents.size === 0;
  }

  get isOpeningAwaited(): boolean {
    return this.#opening.length > 0;
  }

  /** Settles when the conversation stands, or cannot be opened. */
  opened(): Promise<void> {
    const waiter = deferred<void>();
    this.#opening.push(waiter);
    return waiter.promise;
  }

  /** Settles when it is so, or will never be. */
  intended(id: string): Promise<void> {
    const waiter = deferred<void>();
    this.#intents.set(id, waiter);
    return waiter.promise;
  }

  /** Takes out whoever waits for an intent; it is the caller's to settle. */
  taken(id: string): Deferred<void> | undefined {
    const waiter = this.#intents.get(id);
    this.#intents.delete(id);
    return waiter;
  }

  resolveOpening(): void {
    for (const waiter of this.#opening.splice(0)) waiter.resolve();
  }

  rejectOpening(error: TacitError): void {
    for (const waiter of this.#opening.splice(0)) waiter.reject(error);
  }

  /** Intents that a step took out are so now. */
  resolveDone(before: ConversationState, now: ConversationState): void {
    const left = new Set(now.intents.map(({ id }) => id));
    for (const { id } of before.intents) if (!left.has(id)) this.taken(id)?.resolve();
  }

  /** The conversation has ended: whoever wanted to leave has left. */
  resolveLeaving({ intents }: ConversationState): void {
    for (const { id, kind } of intents) if (kind === "leave") this.taken(id)?.resolve();
  }

  rejectAll(error: TacitError): void {
    this.rejectOpening(error);
    for (const waiter of this.#intents.values()) waiter.reject(error);
    this.#intents.clear();
  }
}
