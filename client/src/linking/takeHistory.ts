/** Fetching the history that this device was handed when it was linked, before it is in any conversation. */
import { TacitError } from "../errors.ts";
import { fetchedHistory } from "./historyHandOver.ts";
import type { PayloadDeps } from "../payloads.ts";
import type { SealedStore } from "../sealedStore.ts";
import type { Change } from "../session/conversationStore.ts";
import { imported, type ImportedHistory } from "../session/history/importedHistory.ts";
import type { HandedHistory } from "../session/linking/linkAnswer.ts";
import { decodeHandedHistory, encodeHandedHistory } from "../session/identity/recordTask.ts";

export interface HistoryDeps extends PayloadDeps {
  readonly store: SealedStore;
  /** Stores it, and `more` with it. */
  readonly takeOver: (histories: readonly ImportedHistory[], more: readonly Change[]) => Promise<void>;
  readonly failed: (error: TacitError) => void;
}

const key = "a/history";
/** How often it is asked for before this device goes on without it, until the next start. */
const attempts = 3;

/** What to store until it is fetched. */
export function historyToTake(history: HandedHistory | undefined): readonly Change[] {
  return history === undefined ? [] : [{ key, value: encodeHandedHistory(history) }];
}

export class HistoryTaking {
  readonly #deps: HistoryDeps;
  #failures = 0;

  constructor(deps: HistoryDeps) {
    this.#deps = deps;
  }

  /** What cannot be had is reported as `history_lost`. @throws Refused, LostAnswer where it is worth asking again; TacitError of the store */
  async take(account: string): Promise<void> {
    const { store, takeOver, failed } = this.#deps;
    const stored = await store.get(key);
    if (stored === undefined || this.#failures >= attempts) return;
    try {
      const conversations = await fetchedHistory(this.#deps, decodeHandedHistory(stored));
      await takeOver(
        conversations.map((conversation) => imported(account, conversation)),
        [{ key }],
      );
    } catch (error) {
      if (error instanceof TacitError && error.code === "history_lost") {
        await store.commit([{ key }]);
        failed(error);
        return;
      }
      // Conversations go on without their past rather than not at all.
      if (error instanceof TacitError || ++this.#failures < attempts) throw error;
      failed(new TacitError("history_lost", "the history that was handed over cannot be fetched", { cause: error }));
    }
  }
}
