/** Reading what is addressed to this device. An item is acknowledged when what it brought is stored, or was found to be of no use. */
import { limits, type Answer, type InboxItem } from "@tacit/protocol";
import type { Connection } from "../connection/connection.ts";
import { TacitError } from "../errors.ts";
import type { Clock, Random } from "../ports.ts";
import { LostAnswer, Refused } from "../connection/relaySocket.ts";
import { backoff, retryBackoff, uniformOf } from "../session/backoff.ts";

export interface InboxDeps {
  readonly connection: Pick<Connection, "request" | "isUp">;
  readonly clock: Clock;
  readonly random: Random;
  /** @throws LostAnswer, Refused, TacitError of the store: it stays where it is. Anything else: it is of no use. */
  readonly take: (item: InboxItem) => Promise<void>;
  /** What a doorbell brought was taken. */
  readonly taken: () => Promise<void>;
  readonly failed: (error: TacitError) => void;
  readonly report: (error: unknown) => void;
}

export class Inbox {
  readonly #deps: InboxDeps;
  #reading: Promise<void> | undefined;
  #again = false;
  #failures = 0;
  #cancelRetry: (() => void) | undefined;
  #isClosed = false;

  constructor(deps: InboxDeps) {
    this.#deps = deps;
  }

  /** One reading at a time; a ring in between makes another. @throws Refused, LostAnswer, TacitError */
  read(): Promise<void> {
    this.#again = true;
    return (this.#reading ??= this.#readWhole().finally(() => (this.#reading = undefined)));
  }

  /** A doorbell. What may pass is tried again: nobody rings twice for the same item. Without a connection, the next one starts with reading it. */
  ring(): void {
    const { taken, report } = this.#deps;
    this.#cancelRetry?.();
    this.read()
      .then(() => {
        this.#failures = 0;
        return taken();
      })
      .catch((error: unknown) => {
        report(error);
        if (error instanceof LostAnswer || (error instanceof Refused && error.refusal.retryable)) this.#ringLater();
      });
  }

  #ringLater(): void {
    const { connection, clock, random } = this.#deps;
    if (this.#isClosed || !connection.isUp) return;
    this.#cancelRetry?.();
    const delay = 1_000 + backoff(retryBackoff, this.#failures++, uniformOf(random));
    this.#cancelRetry = clock.after(delay, () => this.ring());
  }

  /** No further attempt. Resolves when what is being read is. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelRetry?.();
    await this.#reading?.catch(() => {});
  }

  async #readWhole(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      let after: string | undefined;
      do {
        const page: Answer<"readInbox"> = await this.#deps.connection.request(
          "readInbox",
          after === undefined ? {} : { after },
        );
        const done: string[] = [];
        for (const item of page.items) {
          await this.#take(item);
          done.push(item.id);
        }
        for (let first = 0; first < done.length; first += limits.acknowledgements) {
          const ids = done.slice(first, first + limits.acknowledgements);
          await this.#deps.connection.request("acknowledgeInbox", { ids });
        }
        if (page.next !== undefined && after !== undefined && page.next <= after) {
          throw new LostAnswer("the pages of the inbox do not advance");
        }
        after = page.next;
      } while (after !== undefined);
    }
  }

  /** Whoever can send something must not be able to block what is behind it: what cannot be used is reported and passed over. */
  async #take(item: InboxItem): Promise<void> {
    try {
      await this.#deps.take(item);
    } catch (error) {
      const isOfItem = error instanceof TacitError && error.code === "cannot_follow";
      if (error instanceof LostAnswer || error instanceof Refused || (error instanceof TacitError && !isOfItem)) {
        throw error;
      }
      const cause = { cause: error };
      this.#deps.failed(isOfItem ? error : new TacitError("cannot_follow", "an invitation cannot be opened", cause));
    }
  }
}
