/**
 * What this device knows of another account: the account key that it pinned when it first met it, a different one that it showed since, and
 * how far its record has come. A changed key never decides whether a commit is valid; it blocks sending until the application accepts
 * it. A key that the pinned one signed the way to (accountRotations.ts) blocks as well, and is told apart: that account was recovered.
 *
 * A record that goes back, or is another one of the same version, is refused: whoever hands it out hides or adds a device. What a device
 * says inside a message of its own account's record counts as seen, so that a relay that gives nobody the newest record is found out by
 * who hears from it. A device that was revoked says nothing any more: it could claim a version that the account never reaches, and so
 * keep the record that revokes it from being read.
 */
import type { Signed } from "@tacit/protocol";
import { parseJson, utf8 } from "../bytes.ts";
import type { RecordMark } from "./recordMark.ts";

export interface Peer {
  readonly account: string;
  /** base64url, as all keys here. */
  readonly pinned: string;
  /** Two people compared the pinned key. */
  readonly verified?: true;
  /** Keys before the pinned one that the account is known to have left. */
  readonly former?: readonly string[];
  /** Another key that the account showed, not accepted yet. */
  readonly shown?: string;
  /** Where the pinned key signed the way to the shown one: all keys before it, oldest first. */
  readonly proven?: readonly string[];
  /** The newest record that was seen under the pinned key, or under a shown one that is proven. */
  readonly record?: RecordMark & { readonly receipt?: Signed };
  /** A newer one that a device of the account knows. */
  readonly heard?: RecordMark & { readonly by: string };
  /** The version of which two records were told, where that was reported. */
  readonly differs?: number;
}

export interface Meeting {
  readonly kind:
    | "known"
    | "new"
    /** It shows another key than the pinned one, for the first time. */
    | "changed"
    /** The record contradicts what is known: it must not be used. */
    | "refused";
  readonly peer: Peer;
  /** There are two records of this version; said once. */
  readonly differs?: number;
}

/** What an account showed: its key, by a leaf; what the leaf's device said of its record; or the record. */
export interface Shown {
  readonly account: string;
  readonly accountKey: string;
  /** Keys that the account had before, as each of them signed. */
  readonly formerKeys?: readonly string[];
  readonly device?: string;
  readonly said?: RecordMark;
  readonly record?: ShownRecord;
}

export interface ShownRecord extends RecordMark {
  readonly previous: string | null;
  readonly revoked: readonly string[];
  readonly receipt?: Signed;
}

export function meet(peer: Peer | undefined, shown: Shown): Meeting {
  const { account, accountKey, formerKeys = [], record } = shown;
  if (peer === undefined) return { ...learn({ account, pinned: accountKey }, shown), kind: "new" };
  if (peer.pinned === accountKey) return learn(peer, shown);
  // A leaf that a recovery left behind, or a record from before it.
  if (peer.former?.includes(accountKey) === true) return { kind: record === undefined ? "known" : "refused", peer };

  const wasShown = peer.shown === accountKey;
  const isProven = formerKeys.includes(peer.pinned);
  const showing =
    wasShown && (peer.proven !== undefined || !isProven) ? peer : show(peer, accountKey, isProven ? formerKeys : []);
  const met: Meeting = isProven ? learn(showing, shown) : { kind: "known", peer: showing };
  if (met.kind === "refused") return { ...met, peer: differs(peer, met.differs) };
  return { ...met, kind: wasShown ? "known" : "changed" };
}

function show(peer: Peer, shown: string, proven: readonly string[]): Peer {
  const { verified: _, proven: __, ...rest } = peer;
  return { ...rest, shown, ...(proven.length === 0 ? {} : { proven }) };
}

function differs(peer: Peer, version: number | undefined): Peer {
  return version === undefined ? peer : { ...peer, differs: version };
}

/** From a leaf or a record of the chain of keys that the peer is known by. */
function learn(peer: Peer, { device, said, record }: Shown): Meeting {
  const heard =
    said === undefined || device === undefined ? { kind: "known" as const, peer } : hear(peer, said, device);
  if (record === undefined) return heard;
  if (contradicts(heard.peer, record)) {
    const { record: known, heard: mark } = heard.peer;
    const isAnother = [known, mark].some((each) => each?.version === record.version && each.hash !== record.hash);
    return isAnother
      ? { ...differ(heard.peer, record.version), kind: "refused" }
      : { kind: "refused", peer: heard.peer };
  }
  return { ...heard, peer: withRecord(heard.peer, record) };
}

function hear(peer: Peer, said: RecordMark, by: string): Meeting {
  const { record, heard } = peer;
  const known = [record, heard].find((each) => each?.version === said.version);
  if (known !== undefined && known.hash !== said.hash) return differ(peer, said.version);
  if (said.version <= Math.max(record?.version ?? 0, heard?.version ?? 0)) return { kind: "known", peer };
  return { kind: "known", peer: { ...peer, heard: { ...said, by } } };
}

function differ(peer: Peer, version: number): Meeting {
  if (peer.differs === version) return { kind: "known", peer };
  return { kind: "known", peer: differs(peer, version), differs: version };
}

function contradicts({ record: known, heard }: Peer, record: ShownRecord): boolean {
  if (heard !== undefined && !record.revoked.includes(heard.by)) {
    if (record.version < heard.version) return true;
    if (record.version === heard.version && record.hash !== heard.hash) return true;
  }
  if (known === undefined) return false;
  if (record.version <= known.version) return record.version < known.version || record.hash !== known.hash;
  // Versions in between that were never seen cannot be checked.
  return record.version === known.version + 1 && record.previous !== known.hash;
}

function withRecord(peer: Peer, { version, hash, revoked, receipt }: ShownRecord): Peer {
  const { record: known, heard, ...rest } = peer;
  if (known?.version === version && (known.receipt !== undefined || receipt === undefined)) return peer;
  const isAhead = heard !== undefined && heard.version > version && !revoked.includes(heard.by);
  return {
    ...rest,
    record: { version, hash, ...(receipt === undefined ? {} : { receipt }) },
    ...(isAhead ? { heard } : {}),
  };
}

/** Somebody knows a newer record than this device. At version 1, no device was added or revoked yet. */
export function isBehind({ record, heard }: Peer): boolean {
  return heard !== undefined && heard.version > (record?.version ?? 1);
}

/** Pins the shown key. A proven one carries on the records; another one has records of its own, so what was known of them is forgotten. */
export function accept(peer: Peer): Peer {
  const { account, pinned, shown, proven, record, heard, former = [] } = peer;
  if (shown === undefined) return peer;
  if (proven === undefined) return { account, pinned: shown };
  return {
    account,
    pinned: shown,
    former: [...new Set([...former, ...proven, pinned])],
    ...(record === undefined ? {} : { record }),
    ...(heard === undefined ? {} : { heard }),
  };
}

/** Two people compared `key`. Pins it where it was the shown one; where it was the pinned one, what was shown against it was false. */
export function verified(peer: Peer, key: string): Peer {
  if (key === peer.shown) return { ...accept(peer), verified: true };
  if (key !== peer.pinned) return peer;
  const { shown: _, proven: __, ...rest } = peer;
  return { ...rest, verified: true };
}

/** Nothing may be sent to it before the application accepts its key. */
export function isBlocked(peer: Peer | undefined): boolean {
  return peer?.shown !== undefined;
}

export function encodePeer(peer: Peer): Uint8Array {
  return utf8(JSON.stringify(peer));
}

/** Of what `encodePeer` made and was kept authentic. */
export function decodePeer(stored: Uint8Array): Peer {
  const peer = parseJson(stored);
  if (peer === undefined) throw new Error("a stored peer is damaged");
  return peer as unknown as Peer;
}
