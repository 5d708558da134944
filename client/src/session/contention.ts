/**
 * Who commits when many want to at once. The log takes one commit a turn, so whoever loses waits its chance: a span that grows with the
 * number of devices that seem to want the turn. That number is learned from the own losses, which say that it was taken too low, and from
 * the log: where turns take longer than they would if somebody were always ready, it was taken too high. All see the same log, so all
 * come to about the same number, and the log is kept busy with two or three attempts a turn, however many there are.
 */

export interface Contention {
  /** Devices that seem to want the turn, this one among them. */
  readonly crowd: number;
  /** Milliseconds from the beginning of an own attempt to the news that it lost. */
  readonly span: number;
  /** When this device saw the last turn end. */
  readonly endedAt: number;
}

/** A turn that took so many spans had nobody who was ready. */
const idle = 2;
/** Of the devices in a group few want to commit at the same time; of a thousand, ten. */
const firstGuess = Math.cbrt;
const growth = 4;
const shrinkage = 0.5;
/** Milliseconds: neither a clock that stands nor a socket that hung says how long an attempt takes. */
const spans = { shortest: 50, longest: 5_000 };

/** After an own attempt that began at `since` and lost. `members`: devices in the group. */
export function afterLoss(
  known: Contention | undefined,
  { members, since, now }: { readonly members: number; readonly since: number; readonly now: number },
): Contention {
  const took = Math.min(Math.max(now - since, spans.shortest), spans.longest);
  const most = Math.max(members, 2);
  if (known === undefined) return { crowd: Math.max(2, firstGuess(members)), span: took, endedAt: now };
  const crowd = Math.min(Math.max(2, known.crowd * growth), most);
  return { ...known, crowd, span: 0.7 * known.span + 0.3 * took };
}

/** After `turns` that others ended. */
export function afterTurns(known: Contention, turns: number, now: number): Contention {
  const took = (now - known.endedAt) / turns;
  const crowd = took > idle * known.span ? Math.max(1, known.crowd * shrinkage) : known.crowd;
  return { ...known, crowd, endedAt: now };
}

/** Milliseconds to wait; `uniform` is in [0, 1). */
export function pauseOf({ crowd, span }: Contention, uniform: number): number {
  return Math.ceil(uniform * crowd * span);
}
