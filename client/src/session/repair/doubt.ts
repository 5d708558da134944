/**
 * Whether this device still is where the others are. A relay that shows it another commit, or a bug, leaves it in an epoch of its own: then
 * commits of the group are void to it, and messages cannot be read. Nothing proves that: what it cannot open, it cannot check, and everybody on
 * the roster can post bytes that look like it. So it goes on as it was, and asks (docs/decisions/0039-forked-devices-ask.md): the request says how
 * it read the log (logChain.ts), and whoever read it alike does nothing. What is in doubt can be ended by being put in anew alone.
 */
import { MlsError } from "@tacit/mls";
import { uniformOf } from "../backoff.ts";
import type { ConversationState, SessionContext } from "../conversation.ts";
import type { CryptoProvider } from "../cryptoContext.ts";
import { isGroupOf } from "../group/group.ts";
import { handshakeHeader } from "../group/handshakeHeader.ts";
import { notBefore, withinDay } from "./repairPauses.ts";

export interface Doubt {
  /** Entries that say they are of this group and cannot be opened, since this device asked last. */
  readonly strange: number;
  /** The last entry that was read before the first of them; undefined: there was none since this device came in. */
  readonly after: number | undefined;
  /** When it asks, where there are enough; by the relay's clock, like all times here. */
  readonly due: number;
  /** A successor that this device was invited to, and did not go to; how often. */
  readonly successor?: { readonly log: string; readonly times: number };
  /** It has asked since it came in. */
  readonly isAsking: boolean;
  /** When it asked, at most a day before the last time. */
  readonly asked: readonly number[];
}

export const noDoubt: Doubt = { strange: 0, after: undefined, due: 0, isAsking: false, asked: [] };

/** One alone may be a copy, or somebody's broken device. Where nobody has answered so far, one more is. */
const enough = { first: 3, again: 1 };
/** Invitations to one successor that are not followed, after which nobody is asked for another. */
const mostRefusals = 3;
/** Milliseconds: many may find the same at once. */
const spread = 20_000;

/** What the engine says of a message that was made with other keys than those of this device's epoch, or for another epoch. */
const strangeCodes: readonly string[] = [
  "future_epoch",
  "past_epoch",
  "sender_data_invalid",
  "aead_failed",
  "generation_too_far",
];

export function isStrange(error: unknown): boolean {
  return error instanceof MlsError && strangeCodes.includes(error.code);
}

/** Whether the bytes are, in clear text, of the group of this log. */
export function namesGroup(payload: Uint8Array | undefined, kind: "proposal" | "commit", log: string): boolean {
  const header = payload && handshakeHeader(payload, kind);
  return header !== undefined && isGroupOf(header.groupId, log);
}

/** After one more strange entry. `at`: when it was stored. */
export function doubting({ provider }: SessionContext, state: ConversationState, at: number): ConversationState {
  if (state.group === undefined || state.phase !== "open") return state;
  return withStrange(provider, state, state.doubt.strange + 1, at);
}

/**
 * After an invitation to the successor `log`, which this device does not follow: whoever opened it was revoked since, say. Members may have gone
 * there, and take this device along when it asks. `at`: now.
 */
export function leftBehind(
  { provider }: SessionContext,
  state: ConversationState,
  log: string,
  at: number,
): ConversationState {
  const { doubt, phase, group } = state;
  const times = doubt.successor?.log === log ? doubt.successor.times + 1 : 1;
  const told = { ...state, doubt: { ...doubt, successor: { log, times } } };
  // Where it cannot follow this log either, it asks anyway.
  if (group === undefined || phase !== "open" || isInDoubt(state) || times > mostRefusals) return told;
  return withStrange(provider, told, neededIn(doubt), at);
}

/** Of a device that reads on: where it did not follow to a successor meanwhile, it asks because of that. `at`: now. */
export function stillLeftBehind({ provider }: SessionContext, state: ConversationState, at: number): ConversationState {
  const { doubt } = state;
  if (isInDoubt(state) || successorToName(doubt) === undefined) return state;
  return withStrange(provider, state, neededIn(doubt), at);
}

/** The successor that a request is to name: where those who are there took this device along more often to no avail, it stays here. */
export function successorToName({ successor }: Doubt): string | undefined {
  return successor !== undefined && successor.times <= mostRefusals ? successor.log : undefined;
}

function withStrange(
  provider: CryptoProvider,
  state: ConversationState,
  strange: number,
  at: number,
): ConversationState {
  const { doubt, cursor } = state;
  const isEnough = strange === neededIn(doubt);
  const due = isEnough ? notBefore(doubt.asked, at + Math.round(spread * uniformOf(provider.random))) : doubt.due;
  return { ...state, doubt: { ...doubt, strange, due, after: doubt.after ?? cursor } };
}

/** Whether there is enough to ask, when it is due. */
export function isInDoubt({ doubt, phase }: ConversationState): boolean {
  return phase === "open" && doubt.strange >= neededIn(doubt);
}

function neededIn({ isAsking }: Doubt): number {
  return isAsking ? enough.again : enough.first;
}

/** After it asked at `now`. */
export function askedInDoubt(doubt: Doubt, now: number): Doubt {
  return { ...doubt, strange: 0, isAsking: true, asked: [...withinDay(doubt.asked, now), now] };
}

/** Of a device that was put in anew. */
export function withoutDoubt({ asked }: Doubt): Doubt {
  return { ...noDoubt, asked };
}
