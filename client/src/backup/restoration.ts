/** What follows once a recovery has taken an account over: people, conversations and history come back, and a new code is shown. */
import type { Conversation } from "../api.ts";
import type { ConversationBook } from "../conversation/conversationBook.ts";
import { finishRecovery, restoreBackup, type RestoreDeps } from "./recovery.ts";
import { restoredConversations, restoredState, withoutRestored } from "./restored.ts";

export interface RestorationDeps extends RestoreDeps {
  readonly book: ConversationBook;
  readonly arrived: (conversation: Conversation) => void;
  readonly onNewCode: ((code: string) => void | Promise<void>) | undefined;
  readonly report: (error: unknown) => void;
}

export class Restoration {
  readonly #deps: RestorationDeps;
  #isFinishing = false;
  #isClosed = false;

  constructor(deps: RestorationDeps) {
    this.#deps = deps;
  }

  /** What a backup brought, before anything is read; and the conversations in it, which this device enters anew. */
  async restore(): Promise<void> {
    const { store, book, arrived } = this.#deps;
    await restoreBackup(this.#deps);
    for (const restored of await restoredConversations(store)) {
      const { id, log } = restored;
      const known = book.get(id) ?? book.inLog(log);
      if (known === undefined) arrived(await book.start(restoredState(restored)));
      await store.commit([withoutRestored(id)]);
    }
  }

  /** In the background: the application may take its time to show the code. */
  finishSoon(): void {
    if (this.#isFinishing) return;
    this.#isFinishing = true;
    finishRecovery(this.#deps, this.#deps.onNewCode)
      .catch((error: unknown) => {
        if (!this.#isClosed) this.#deps.report(error);
      })
      .finally(() => (this.#isFinishing = false));
  }

  close(): void {
    this.#isClosed = true;
  }
}
