/**
 * What a device does for its conversations without being asked: reads all logs after connecting and now and then, brings its account's
 * devices into every group, renews its keys, and keeps key packages out.
 */
import type { ConversationBook } from "./conversation/conversationBook.ts";
import type { ConversationDeps } from "./conversation/conversationDeps.ts";
import { uniformOf } from "./session/backoff.ts";
import { dropOutdatedKeyPackages, stockKeyPackages } from "./account/stockKeyPackages.ts";

export interface HousekeepingDeps {
  readonly conversation: Omit<ConversationDeps, "moved" | "abandoned">;
  readonly book: ConversationBook;
  /** Devices that the own account's record lists. */
  readonly ownDevices: () => readonly string[];
  readonly report: (error: unknown) => void;
}

/** Even a device that is never rung looks at its logs this often: milliseconds, jittered. */
const headCheckInterval = 15 * 60_000;
const parallelReads = 4;
/** Welcomes after which key packages are counted without waiting for the next connect. */
const welcomesToStock = 5;

export class Housekeeping {
  readonly #deps: HousekeepingDeps;
  #cancelHeadCheck: (() => void) | undefined;
  #keptUp: Promise<unknown> = Promise.resolve();
  #stocked: Promise<unknown> = Promise.resolve();
  /** Since the key packages were last counted. */
  #welcomes = 0;

  constructor(deps: HousekeepingDeps) {
    this.#deps = deps;
  }

  /** All of them, whatever happens to one; the answer is why one was not read to its end. */
  async readLogs(): Promise<Error | undefined> {
    const waiting = [...this.#deps.book.all()];
    let unread: Error | undefined;
    const readers = Array.from({ length: parallelReads }, async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        unread = (await next.catchUp()) ?? unread;
      }
    });
    await Promise.all(readers);
    return unread;
  }

  checkHeadsLater(): void {
    const { conversation, report } = this.#deps;
    const { clock, connection, context } = conversation;
    this.stop();
    const delay = headCheckInterval * (0.8 + 0.4 * uniformOf(context().provider.random));
    this.#cancelHeadCheck = clock.after(delay, () => {
      if (!connection.isUp) return;
      // What was not read is tried again when its conversation runs again, at the latest after the next connect.
      void this.readLogs()
        .then(() => this.keepUp())
        .catch(report)
        .then(() => this.checkHeadsLater());
    });
  }

  /** Renewed keys, and the own devices in all conversations. One at a time. */
  keepUp({ isNews = false } = {}): Promise<void> {
    const done = this.#keptUp.then(() => this.#keepUpNow(isNews));
    this.#keptUp = done.catch(() => {});
    return done;
  }

  /** Without a connection, the next one does it. `isNews`: the own devices are others than before, or one can be reached that could not. */
  keepUpSoon({ isNews }: { readonly isNews: boolean }): void {
    if (this.#deps.conversation.connection.isUp) this.keepUp({ isNews }).catch(this.#deps.report);
  }

  async #keepUpNow(isNews: boolean): Promise<void> {
    const own = this.#deps.ownDevices();
    for (const conversation of this.#deps.book.all()) {
      await conversation.reconcile(own, { isNews });
      await conversation.renewIfDue();
    }
  }

  /** Key packages, where they run short. One at a time: two would both make up for what is missing. */
  stock(): Promise<void> {
    const { conversation } = this.#deps;
    this.#welcomes = 0;
    const done = this.#stocked.then(() => stockKeyPackages({ ...conversation, context: conversation.context() }));
    this.#stocked = done.catch(() => {});
    return done;
  }

  /** When the inbox was read. */
  dropOutdated(): Promise<void> {
    return dropOutdatedKeyPackages(this.#deps.conversation);
  }

  countWelcome(): void {
    this.#welcomes++;
  }

  async stockAfterWelcomes(): Promise<void> {
    if (this.#welcomes >= welcomesToStock) await this.stock();
  }

  stop(): void {
    this.#cancelHeadCheck?.();
    this.#cancelHeadCheck = undefined;
  }
}
