/** The people that this device has met, and those whom the application does not want to hear from: in memory and in the store. */
import type { SealedStore } from "../sealedStore.ts";
import { utf8, fromUtf8 } from "../session/bytes.ts";
import type { Change } from "../session/conversationStore.ts";
import {
  accept,
  decodePeer,
  encodePeer,
  isBehind,
  isBlocked,
  meet,
  verified,
  type Peer,
  type Shown,
} from "../session/identity/peers.ts";

const peerPrefix = "p/";
const blockPrefix = "b/";

/** What a meeting found. Call `stored` when `changes` are. */
export interface Met {
  readonly changes: readonly Change[];
  /** Accounts that show another key than before; `proven`: the pinned key signed the way to it. */
  readonly changed: readonly { readonly account: string; readonly proven: boolean }[];
  /** Accounts whose record must not be used. */
  readonly refused: readonly string[];
  /** Accounts of which two records of one version were told. */
  readonly differing: readonly { readonly account: string; readonly version: number }[];
  /** Accounts that have a newer record than this device has seen. */
  readonly behind: readonly string[];
  readonly stored: () => void;
}

export class PeerBook {
  readonly #store: SealedStore;
  readonly #peers: Map<string, Peer>;
  readonly #shunned: Set<string>;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(store: SealedStore, peers: readonly Peer[], shunned: readonly string[]) {
    this.#store = store;
    this.#peers = new Map(peers.map((peer) => [peer.account, peer]));
    this.#shunned = new Set(shunned);
  }

  static async load(store: SealedStore): Promise<PeerBook> {
    const peers = (await store.scan(peerPrefix)).map(([, value]) => decodePeer(value));
    const shunned = (await store.scan(blockPrefix)).map(([, value]) => fromUtf8(value));
    return new PeerBook(store, peers, shunned);
  }

  get(account: string): Peer | undefined {
    return this.#peers.get(account);
  }

  /** Everybody that was met, and the accounts on the block list. */
  all(): { readonly peers: readonly Peer[]; readonly shunned: readonly string[] } {
    return { peers: [...this.#peers.values()], shunned: [...this.#shunned].sort() };
  }

  /** Nothing may be sent to it before the application accepts its key. */
  isBlocked(account: string): boolean {
    return isBlocked(this.#peers.get(account));
  }

  /** The application does not want to hear from it. */
  isShunned(account: string): boolean {
    return this.#shunned.has(account);
  }

  /** Accounts that have a newer record than this device has seen. */
  behind(): readonly string[] {
    return [...this.#peers.values()].filter(isBehind).map(({ account }) => account);
  }

  /** One at a time: what `meet` answers stands on what is known, until `stored`. */
  alone<T>(body: () => Promise<T>): Promise<T> {
    const done = this.#last.then(body);
    this.#last = done.catch(() => {});
    return done;
  }

  meet(shown: readonly Shown[]): Met {
    const met = new Map<string, Peer>();
    const changed = new Set<string>();
    const refused = new Set<string>();
    const differing = new Map<string, number>();
    for (const each of shown) {
      const known = met.get(each.account) ?? this.#peers.get(each.account);
      const { kind, peer, differs } = meet(known, each);
      if (kind === "changed") changed.add(each.account);
      if (kind === "refused") refused.add(each.account);
      if (differs !== undefined) differing.set(each.account, differs);
      if (peer !== known) met.set(each.account, peer);
    }
    return {
      changes: [...met.values()].map((peer) => this.#change(peer)),
      changed: [...changed].map((account) => ({ account, proven: met.get(account)?.proven !== undefined })),
      refused: [...refused],
      differing: [...differing].map(([account, version]) => ({ account, version })),
      behind: [...met.values()].filter(isBehind).map(({ account }) => account),
      stored: () => {
        for (const peer of met.values()) this.#peers.set(peer.account, peer);
      },
    };
  }

  /** Trusts the key that the account shows now. */
  accept(account: string): Promise<void> {
    return this.#replace(account, accept);
  }

  /** Two people compared `key`, which the account shows or had shown. */
  verify(account: string, key: string): Promise<void> {
    return this.#replace(account, (peer) => verified(peer, key));
  }

  shun(account: string): Promise<void> {
    return this.alone(async () => {
      if (this.#shunned.has(account)) return;
      await this.#store.commit([this.#block(account)]);
      this.#shunned.add(account);
    });
  }

  unshun(account: string): Promise<void> {
    return this.alone(async () => {
      if (!this.#shunned.has(account)) return;
      await this.#store.commit([{ key: this.#block(account).key }]);
      this.#shunned.delete(account);
    });
  }

  /** What a backup kept of people, where this device knows nothing of them yet. Call `stored` when `changes` are. */
  restore(people: ReturnType<PeerBook["all"]>): Pick<Met, "changes" | "stored"> {
    const peers = people.peers.filter(({ account }) => !this.#peers.has(account));
    return {
      changes: [...peers.map((peer) => this.#change(peer)), ...people.shunned.map((account) => this.#block(account))],
      stored: () => {
        for (const peer of peers) this.#peers.set(peer.account, peer);
        for (const account of people.shunned) this.#shunned.add(account);
      },
    };
  }

  #replace(account: string, by: (peer: Peer) => Peer): Promise<void> {
    return this.alone(async () => {
      const known = this.#peers.get(account);
      const peer = known && by(known);
      if (peer === undefined || peer === known) return;
      await this.#store.commit([this.#change(peer)]);
      this.#peers.set(account, peer);
    });
  }

  #change(peer: Peer): Change {
    return { key: peerPrefix + this.#store.blind(peer.account), value: encodePeer(peer) };
  }

  #block(account: string): Required<Change> {
    return { key: blockPrefix + this.#store.blind(account), value: utf8(account) };
  }
}
