/** Who waits for a conversation to be opened, or for something that is wanted in it to be so. */
import { deferred, type Deferred } from "../../deferred.ts";
import type { TacitError } from "../../errors.ts";
import type { ConversationState } from "../../session/conversation.ts";

export class Waiters {
  readonly #opening: Deferred<void>[] = [];
  #welcome: Deferred<void> | undefined;
  /** By the intent's id. */
  readonly #intents = new Map<string, Deferred<void>>();
  /** Why a step that is being stored takes an intent out that did not come true. By its id. */
  readonly #refused = new Map<string, TacitError>();

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

  /** Resolves when this device has been put in by a Welcome. */
  welcomed(): Promise<void> {
    this.#welcome ??= deferred();
    return this.#welcome.promise;
  }

  /** Settles when it is so, or will never be. `stored`: the step that keeps the intent; where it fails, nobody waits. */
  async intended(id: string, stored: () => Promise<void>): Promise<{ readonly done: Promise<void> }> {
    const waiter = deferred<void>();
    this.#intents.set(id, waiter);
    try {
      await stored();
    } catch (error) {
      this.#intents.delete(id);
      throw error;
    }
    return { done: waiter.promise };
  }

  /** `stored`: the step that takes the intent out. Where it fails, whoever waits goes on waiting. */
  async refused(id: string, error: TacitError, stored: () => Promise<void>): Promise<void> {
    this.#refused.set(id, error);
    try {
      await stored();
    } finally {
      this.#refused.delete(id);
    }
  }

  resolveWelcome(): void {
    this.#welcome?.resolve();
    this.#welcome = undefined;
  }

  resolveOpening(): void {
    for (const waiter of this.#opening.splice(0)) waiter.resolve();
  }

  rejectOpening(error: TacitError): void {
    for (const waiter of this.#opening.splice(0)) waiter.reject(error);
  }

  /** Intents that a step took out are so now, or refused. */
  settleDone(before: ConversationState, now: ConversationState): void {
    const left = new Set(now.intents.map(({ id }) => id));
    for (const { id } of before.intents) {
      if (left.has(id)) continue;
      const waiter = this.#taken(id);
      const error = this.#refused.get(id);
      if (error === undefined) waiter?.resolve();
      else waiter?.reject(error);
    }
  }

  /** The conversation has ended: whoever wanted to leave has left. */
  resolveLeaving({ intents }: ConversationState): void {
    for (const { id, kind } of intents) if (kind === "leave") this.#taken(id)?.resolve();
  }

  rejectAll(error: TacitError): void {
    this.rejectOpening(error);
    for (const waiter of this.#intents.values()) waiter.reject(error);
    this.#intents.clear();
  }

  #taken(id: string): Deferred<void> | undefined {
    const waiter = this.#intents.get(id);
    this.#intents.delete(id);
    return waiter;
  }
}
