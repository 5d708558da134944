/**
 * How far a device has got with being put in anew: what it asked, what came back, and when it asks again. askForRepair.ts does the asking; what the
 * device does when nobody answers is decided in nextAction.ts and successor.ts.
 */
import { pauseAfter } from "./repairPauses.ts";

/** Times are by the relay's clock. */
export interface Repair {
  /** Rounds of requests sent so far. Of whoever is not served: looks whether somebody took it back. */
  readonly attempts: number;
  /** When the next one is due. */
  readonly due: number;
  /** The last entry that was read before. */
  readonly after: number;
  /** Rounds in a row that the relay refused because this account is on no roster. */
  readonly refused?: number;
  /** The application wants to go on in a successor, though the group is large. */
  readonly elsewhere?: true;
  /** The application asked for it, of a device that could follow. */
  readonly wished?: true;
  /** When it asked once more before it goes on elsewhere. */
  readonly called?: number;
}

/** What became of one round of requests, as far as devices of other accounts go. */
export interface Round {
  /** Requests that were delivered. */
  readonly reached: number;
  /** Those that were refused, as this account is on no roster. */
  readonly refused: number;
  /** An answer did not come, and nobody else was asked. */
  readonly isCut: boolean;
}

type Random = (length: number) => Uint8Array;

/**
 * Rounds that are refused in a row after which the conversation is over for this account, and more than an hour after the first. A void commit may
 * drop it, and it is taken back within seconds of somebody's being there.
 */
const refusalsToEnd = 4;
/** Milliseconds: what was asked before this device goes on elsewhere is asked again where it did not get there meanwhile. */
const calledFor = 3_600_000;

export function newRepair(after: number, due: number): Repair {
  return { attempts: 0, after, due };
}

/** Before a round is sent: requests that make this device crash must not be repeated at once. */
export function roundBegun(repair: Repair, now: number, random: Random): Repair {
  const begun = { ...repair, attempts: repair.attempts + 1 };
  return { ...begun, due: now + pauseOf(begun, random) };
}

/** After that round. Undefined: the relay has refused so many that this account is out. */
export function roundEnded(begun: Repair, round: Round, now: number, random: Random): Repair | undefined {
  const { refused: before = 0, attempts } = begun;
  const refused = refusedAfter(before, round);
  if (refused === before) return begun;
  if (refused >= refusalsToEnd && attempts > refusalsToEnd) return undefined;
  const ended = { ...begun, refused };
  return { ...ended, due: now + pauseOf(ended, random) };
}

function refusedAfter(before: number, { reached, refused, isCut }: Round): number {
  if (reached > 0) return 0;
  if (refused > 0) return before + 1;
  // A round that was cut says nothing of it.
  return isCut ? before : 0;
}

/** Where it is refused, however often it has asked before: it may have been taken out lately, and taken back soon. */
function pauseOf({ attempts, refused = 0 }: Repair, random: Random): number {
  const rounds = attempts - 1;
  return pauseAfter(refused === 0 ? rounds : Math.min(rounds, refused), random);
}

/** Whether the relay says that this account is out: either somebody takes it back, or it is told so. */
export function isRefused({ refused = 0 }: Repair): boolean {
  return refused > 0;
}

/** Whether it has asked once more, not long ago. */
export function hasCalled({ called }: Repair, now: number): boolean {
  return called !== undefined && now < called + calledFor;
}

/** Before it asks once more: where nothing comes of that, it tries again within the hour. */
export function callBegun(repair: Repair, now: number): Repair {
  return { ...repair, due: now + calledFor };
}

/** After that. `before`: as it was until then. */
export function callEnded(before: Repair, begun: Repair, { reached, refused, isCut }: Round, now: number): Repair {
  if (reached > 0 || (refused === 0 && !isCut)) return { ...before, called: now };
  return refused > 0 ? { ...begun, refused: 1 } : begun;
}
