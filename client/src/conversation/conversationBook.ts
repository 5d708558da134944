/** The conversations of this device: by the name that the application knows, and by the log that they are in. */
import type { ConversationDeps } from "./conversationDeps.ts";
import { TacitError } from "../errors.ts";
import { LiveConversation } from "./liveConversation.ts";
import { silent, type ConversationState } from "../session/conversation.ts";
import { conversationPrefix, decodeConversation, timelinePrefix, type Change } from "../session/conversationStore.ts";
import type { CryptoContext } from "../session/cryptoContext.ts";
import { changesOf, type ImportedHistory } from "../session/history/importedHistory.ts";
import { behindStored, wasHanded } from "./storedTimeline.ts";
import { translate } from "../translate.ts";

export class ConversationBook {
  readonly #deps: ConversationDeps;
  readonly #byId = new Map<string, LiveConversation>();
  /** Log -> id. */
  readonly #byLog = new Map<string, string>();
  /** Log before that -> id. */
  readonly #byPredecessor = new Map<string, string>();
  /** Those that are being deleted from the store. */
  readonly #forgetting = new Map<string, Promise<void>>();
  /** What the store would not delete, by id. */
  readonly #remains = new Map<string, readonly Change[]>();
  /** Settles when what is being joined is in the book. */
  #joining: Promise<unknown> = Promise.resolve();

  constructor(deps: Omit<ConversationDeps, "moved" | "abandoned">) {
    this.#deps = {
      ...deps,
      moved: (id, log) => void this.#byLog.set(log, id),
      abandoned: (id) => this.#abandon(id),
    };
  }

  /** All that the store holds. @throws TacitError `store_corrupt` */
  async load(crypto: CryptoContext): Promise<void> {
    const byConversation = new Map<string, Map<string, Uint8Array>>();
    for (const [key, value] of await this.#deps.store.scan(conversationPrefix)) {
      const [, id = "", ...rest] = key.split("/");
      let pairs = byConversation.get(id);
      if (pairs === undefined) byConversation.set(id, (pairs = new Map()));
      pairs.set(rest.join("/"), value);
    }
    for (const [id, pairs] of byConversation) {
      try {
        const state = decodeConversation(crypto, id, pairs);
        this.adopt(state, state);
      } catch (cause) {
        throw new TacitError("store_corrupt", "a stored conversation cannot be read", { cause });
      }
    }
  }

  all(): readonly LiveConversation[] {
    return [...this.#byId.values()];
  }

  get(id: string): LiveConversation | undefined {
    return this.#byId.get(id);
  }

  /** The one that is, or was, in `log`; else one that goes on from there. */
  inLog(log: string): LiveConversation | undefined {
    return this.#byId.get(this.#byLog.get(log) ?? log) ?? this.#byId.get(this.#byPredecessor.get(log) ?? log);
  }

  /** Resolves when it is clear whether there is such a conversation: it is not being forgotten, and none is being joined. */
  async settled(id: string): Promise<void> {
    await this.#joining;
    await this.#forgetting.get(id);
  }

  /** Two objects over the same keys would use them twice: whoever asks for a conversation meanwhile waits. `log`: where it is joined. */
  async joining(log: string, join: () => Promise<void>): Promise<void> {
    const joining = this.settled(log).then(join);
    this.#joining = joining.catch(() => {});
    await joining;
  }

  /**
   * Stores the history that this device was handed, and `more` with it. Whoever asks for a conversation meanwhile waits; one that is there already is handed
   * its part, unless its timeline has begun.
   */
  takeOver(histories: readonly ImportedHistory[], more: readonly Change[]): Promise<void> {
    const { store } = this.#deps;
    return this.joining("", async () => {
      await Promise.all(this.#forgetting.values());
      const changes = [...more];
      for (const history of histories) {
        const begun = this.#byId.get(history.id);
        if (begun !== undefined) await begun.takeOver(history);
        else if (!this.#remains.has(history.id)) changes.push(...changesOf(history));
      }
      await store.commit(changes);
    });
  }

  /** Makes it durable before it is shown. @throws TacitError of the store: then there is no such conversation */
  async start(state: ConversationState): Promise<LiveConversation> {
    const { store } = this.#deps;
    const conversation = this.adopt(state, undefined);
    const remains = this.#remains.get(state.id) ?? [];
    try {
      await conversation.take(async (now) => {
        if (remains.length > 0) await store.commit(remains);
        return silent(await behindStored(store, now));
      });
    } catch (error) {
      this.#byId.delete(state.id);
      await conversation.close();
      throw error;
    }
    this.#remains.delete(state.id);
    return conversation;
  }

  adopt(state: ConversationState, stored: ConversationState | undefined): LiveConversation {
    const conversation = new LiveConversation(this.#deps, state, stored);
    this.keep(conversation);
    return conversation;
  }

  /** Not known yet, not stored yet: a place for the steps of joining. */
  provisional(state: ConversationState): LiveConversation {
    return new LiveConversation(this.#deps, state, undefined);
  }

  keep(conversation: LiveConversation): void {
    this.#byId.set(conversation.id, conversation);
    const { log, data } = conversation.snapshot;
    this.#byLog.set(log, conversation.id);
    // Others may go on from there too, where this device wants to.
    if (data.predecessor !== undefined) this.#byPredecessor.set(data.predecessor, conversation.id);
  }

  /** Accounts that this device shares, or shared, a conversation with that the user wanted. */
  contacts(): ReadonlySet<string> {
    const wanted = this.all().filter(({ snapshot }) => snapshot.requestBy === undefined);
    return new Set(wanted.flatMap(({ members }) => members));
  }

  async close(): Promise<void> {
    await Promise.all(this.all().map((conversation) => conversation.close()));
    await Promise.all(this.#forgetting.values());
  }

  /** Forgets a conversation that could not be opened. */
  #abandon(id: string): void {
    const conversation = this.#byId.get(id);
    if (conversation === undefined) return;
    this.#byId.delete(id);
    const forgotten = this.#forget(conversation)
      .catch((error: unknown) => this.#deps.failed(translate(error)))
      .finally(() => this.#forgetting.delete(id));
    this.#forgetting.set(id, forgotten);
  }

  async #forget(conversation: LiveConversation): Promise<void> {
    await conversation.close();
    const { store } = this.#deps;
    const { id } = conversation;
    const prefixes = [`${conversationPrefix}${id}/`];
    // What this device was handed is not forgotten.
    if (!(await wasHanded(store, id))) prefixes.push(timelinePrefix(id));
    const stored = await Promise.all(prefixes.map((prefix) => store.scan(prefix)));
    const all = stored.flat().map(([key]) => ({ key }));
    this.#remains.set(conversation.id, all);
    await store.commit(all);
    this.#remains.delete(conversation.id);
  }
}
