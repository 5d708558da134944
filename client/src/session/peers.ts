/**
 * What this device knows of other accounts: the account key that it pinned when it first met them, a different one that they showed
 * since, and how far their record has come. A changed key never decides whether a commit is valid; it blocks sending until the
 * application accepts it. A record that goes back, or is another one of the same version, is refused: whoever hands it out hides or
 * adds a device. What a member says inside a message of its own account's version counts as seen, so that a relay that gives nobody the
 * newest record is found out by who hears from it.
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
  /** The newest record that was seen under the pinned key. */
  readonly record?: { readonly version: number; readonly hash: string };
}

export type Meeting =
  | { readonly kind: "known"; readonly peer: Peer }
  | { readonly kind: "new"; readonly peer: Peer }
  | { readonly kind: "changed"; readonly peer: Peer }
  /** The record contradicts what is known: it must not be used. */
  | { readonly kind: "refused"; readonly peer: Peer };

/** What an account showed: its key, by a leaf; the version of its record that its device named; or the record. */
export interface Shown {
  readonly account: string;
  readonly accountKey: string;
  readonly recordVersion?: number;
  readonly record?: { readonly version: number; readonly hash: string; readonly previous: string | null };
}

export function meet(peer: Peer | undefined, shown: Shown): Meeting {
  const { account, accountKey, record } = shown;
  if (peer === undefined)
    return { kind: "new", peer: withRecord({ account, pinned: accountKey, recordVersion: 0 }, shown) };
  if (peer.pinned !== accountKey) {
    return peer.shown === accountKey
      ? { kind: "known", peer }
      : { kind: "changed", peer: { ...peer, shown: accountKey } };
  }
  if (record !== undefined && contradicts(peer, record)) return { kind: "refused", peer };
  return { kind: "known", peer: withRecord(peer, shown) };
}

function contradicts({ recordVersion, record: known }: Peer, record: NonNullable<Shown["record"]>): boolean {
  if (record.version < recordVersion) return true;
  if (known === undefined) return false;
  if (record.version === known.version) return record.hash !== known.hash;
  // Versions in between that were never seen cannot be checked.
  return record.version === known.version + 1 && record.previous !== known.hash;
}

function withRecord(peer: Peer, { record, recordVersion = 0 }: Shown): Peer {
  const version = Math.max(peer.recordVersion, record?.version ?? 0, recordVersion);
  const isNewer = record !== undefined && record.version > (peer.record?.version ?? 0);
  if (version === peer.recordVersion && !isNewer) return peer;
  const newest = isNewer ? { version: record.version, hash: record.hash } : peer.record;
  return { ...peer, recordVersion: version, ...(newest === undefined ? {} : { record: newest }) };
}

/** Another key has records of its own, so what was known of them is forgotten. */
export function accept(peer: Peer): Peer {
  const { account, shown } = peer;
  return shown === undefined ? peer : { account, pinned: shown, recordVersion: 0 };
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
