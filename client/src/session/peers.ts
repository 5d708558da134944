/**
 * What this device knows of other accounts: the account key that it pinned when it first met them, and a different one that they
 * showed since. A changed key never decides whether a commit is valid; it blocks sending until the application accepts it.
 */
import { parseJson, utf8 } from "./bytes.ts";

export interface Peer {
  readonly account: string;
  /** base64url. */
  readonly pinned: string;
  /** Another key that the account showed, not accepted yet. */
  readonly shown?: string;
  /** The highest version of the account's record that anybody was seen to know. */
  readonly recordVersion: number;
}

export type Meeting =
  | { readonly kind: "known"; readonly peer: Peer }
  | { readonly kind: "new"; readonly peer: Peer }
  | { readonly kind: "changed"; readonly peer: Peer };

/** `account` showed `key`. */
export function meet(
  peer: Peer | undefined,
  shown: { readonly account: string; readonly accountKey: string; readonly recordVersion?: number },
): Meeting {
  const { account, accountKey, recordVersion = 0 } = shown;
  if (peer === undefined) return { kind: "new", peer: { account, pinned: accountKey, recordVersion } };
  const version = Math.max(peer.recordVersion, recordVersion);
  if (peer.pinned === accountKey) {
    return { kind: "known", peer: version === peer.recordVersion ? peer : { ...peer, recordVersion: version } };
  }
  if (peer.shown === accountKey) return { kind: "known", peer };
  return { kind: "changed", peer: { ...peer, shown: accountKey } };
}

export function accept(peer: Peer): Peer {
  const { account, pinned, shown, recordVersion } = peer;
  return { account, pinned: shown ?? pinned, recordVersion };
}

export function isBlocked(peer: Peer | undefined): boolean {
  return peer?.shown !== undefined;
}

export function encodePeer(peer: Peer): Uint8Array {
  return utf8(JSON.stringify(peer));
}

export function decodePeer(stored: Uint8Array): Peer {
  const peer = parseJson(stored);
  if (peer === undefined) throw new Error("a stored peer is damaged");
  return peer as unknown as Peer;
}
