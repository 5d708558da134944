/** One client of one MLS library, over bytes alone, so that clients of several libraries can sit in one group. */

export type PeerProposal =
  | { readonly type: "add"; readonly keyPackage: Uint8Array }
  | { readonly type: "update" }
  | { readonly type: "remove"; readonly leafIndex: number };

export interface PeerCommit {
  /** MLSMessages. */
  readonly commit: Uint8Array;
  /** With the ratchet tree in it; for all that were added. */
  readonly welcome: Uint8Array | undefined;
}

export type Received =
  | { readonly kind: "application"; readonly plaintext: Uint8Array }
  | { readonly kind: "handshake"; readonly removed: boolean };

export interface Peer {
  readonly library: string;
  readonly name: string;
  /** An MLSMessage. */
  readonly keyPackage: Uint8Array;
  create(groupId: Uint8Array): Promise<void>;
  join(welcome: Uint8Array): Promise<void>;
  send(plaintext: Uint8Array): Promise<Uint8Array>;
  propose(proposal: PeerProposal): Promise<Uint8Array>;
  /** Commits what is pending and what is given; without either, an update of its own leaf. */
  commit(proposals: readonly PeerProposal[]): Promise<PeerCommit>;
  /** Goes to the epoch that the own commit started. */
  merge(): Promise<void>;
  receive(message: Uint8Array): Promise<Received>;
  leafIndex(): number;
  /** RFC 9420, section 8.5. */
  exportSecret(label: string, context: Uint8Array, length: number): Promise<Uint8Array>;
}
