/** The peers that this device has met, in memory and in the store. */
import type { SealedStore } from "./sealedStore.ts";
import type { Change } from "./session/conversationStore.ts";
import { accept, decodePeer, encodePeer, isBlocked, meet, type Peer, type Shown } from "./session/peers.ts";

const prefix = "p/";

export class PeerBook {
  readonly #store: SealedStore;
  readonly #peers: Map<string, Peer>;
  readonly #shunned = new Set<string>();
  #last: Promise<unknown> = Promise.resolve();

  private constructor(store: SealedStore, peers: Map<string, Peer>) {
    this.#store = store;
    this.#peers = peers;
  }

  static async load(store: SealedStore): Promise<PeerBook> {
    const stored = (await store.scan(prefix)).map(([, value]) => decodePeer(value));
    return new PeerBook(store, new Map(stored.map((peer) => [peer.account, peer])));
  }

  isBlocked(account: string): boolean {
    return isBlocked(this.#peers.get(account));
  }

  isShunned(account: string): boolean {
    return this.#shunned.has(account);
  }

  async shun(account: string): Promise<void> {
    this.#shunned.add(account);
  }

  /** One at a time: what `meet` answers stands on what is known, until `stored`. */
  alone<T>(body: () => Promise<T>): Promise<T> {
    const done = this.#last.then(body);
    this.#last = done.catch(() => {});
    return done;
  }

  /** What to store, who showed another key than before, and whose record must not be used. Call `stored` when it is. */
  meet(shown: readonly Shown[]): {
    readonly changes: readonly Change[];
    readonly changed: readonly string[];
    readonly refused: readonly string[];
    readonly stored: () => void;
  } {
    const met = new Map<string, Peer>();
    const changed = new Set<string>();
    const refused = new Set<string>();
    for (const each of shown) {
      const known = met.get(each.account) ?? this.#peers.get(each.account);
      const { kind, peer } = meet(known, each);
      if (kind === "changed") changed.add(each.account);
      if (kind === "refused") refused.add(each.account);
      if (peer !== known) met.set(each.account, peer);
    }
    return {
      changes: [...met.values()].map((peer) => this.#change(peer)),
      changed: [...changed],
      refused: [...refused],
      stored: () => {
        for (const peer of met.values()) this.#peers.set(peer.account, peer);
      },
    };
  }

  accept(account: string): Promise<void> {
    return this.alone(() => this.#accept(account));
  }

  async #accept(account: string): Promise<void> {
    const known = this.#peers.get(account);
    if (known === undefined || !isBlocked(known)) return;
    const peer = accept(known);
    await this.#store.commit([this.#change(peer)]);
    this.#peers.set(account, peer);
  }

  #change(peer: Peer): Change {
    return { key: prefix + this.#store.blind(peer.account), value: encodePeer(peer) };
  }
}
