/** Reading the log from where the state is, page by page, and taking entries that a doorbell brought. */
import type { Answer, Entry } from "@tacit/protocol";
import type { ConversationDeps } from "./conversationDeps.ts";
import type { ConversationSteps } from "./conversationSteps.ts";
import { TacitError } from "../errors.ts";
import { askWhetherLanded, landedEntry } from "./landCommit.ts";
import { received } from "../payloads.ts";
import { LostAnswer } from "../connection/relaySocket.ts";
import { keyOf } from "./shownMessages.ts";
import type { ReadEntry } from "../session/reading/applied.ts";
import { applyEntry } from "../session/reading/applyEntry.ts";
import { merged, silent, type ConversationState, type Step } from "../session/conversation.ts";
import { wipe } from "../session/bytes.ts";
import { secretsOnlyIn } from "../session/group/storedGroup.ts";
import { passExpired, passOver } from "../session/reading/passOver.ts";
import type { TimelineMessage } from "../session/timeline.ts";
import { withUnheard } from "../session/reading/unheard.ts";

/** Bytes of payloads that are held while a page is read. */
const readBudget = 1024 * 1024;

/** To the end. @throws Refused, LostAnswer */
export async function readLog(deps: ConversationDeps, steps: ConversationSteps): Promise<void> {
  const head = await readToEnd(deps, steps);
  if (head === undefined || (head.seq <= steps.now.cursor && head.turn <= steps.now.turn)) return;
  // It landed between the page and the head, or it expired: the second time, what still does not come did.
  await readToEnd(deps, steps);
  if (steps.now.log === head.log && head.turn === steps.now.turn + 1) await recallOwn(deps, steps);
  await steps.take((state) => (state.log === head.log ? passExpired(state, head, deps.connection.now()) : undefined));
}

type Head = Answer<"read">["head"] & { readonly log: string };

/** The newest entry as the relay knows it. */
async function readToEnd(deps: ConversationDeps, steps: ConversationSteps): Promise<Head | undefined> {
  const begun = steps.now;
  const { log } = begun;
  let head: Head | undefined;
  let after: number | undefined = begun.cursor;
  while (after !== undefined) {
    const page: Answer<"read"> = await deps.connection.request("read", { conversation: log, after });
    if (steps.now.log === log && isBehindExpired(steps.now, page.entries[0])) await recallOwn(deps, steps);
    await applyPage(deps, steps, begun, page.entries);
    if (page.next !== undefined && page.next <= after) throw new LostAnswer("the pages of the log do not advance");
    // It goes on in another log, or not at all.
    if (steps.now.log !== log) return undefined;
    // A Welcome came meanwhile: what counts stands from there on.
    if (!isWhere(begun, steps.now)) return readToEnd(deps, steps);
    head = { ...page.head, log };
    after = page.next;
  }
  return head;
}

/** The commit that ended this device's turn expired, and no other one did. */
function isBehindExpired({ cursor, turn }: ConversationState, next: Entry | undefined): boolean {
  return next !== undefined && next.prev > cursor && next.turn === turn + 1;
}

/** It may have been the own one: whoever made it need not have read it to go on, and puts in anew who must. */
async function recallOwn(deps: ConversationDeps, steps: ConversationSteps): Promise<void> {
  const { pending, log, phase, joinedAt } = steps.now;
  if (pending?.kind !== "change" || phase !== "open" || joinedAt !== undefined) return;
  const landed = await askWhetherLanded(deps.connection, log, pending);
  if (landed === undefined) return;
  await steps.take(async (state) => {
    if (state.log !== log || state.pending !== pending) return undefined;
    const step = await applied(deps, steps, state, landedEntry(deps.context(), pending, landed, state.cursor));
    return { ...step, state: withUnheard(state, step.state) };
  });
}

/** Where entries are read: another place once a Welcome puts this device in anew, in this log or another. */
type Where = Pick<ConversationState, "log" | "joinedAt">;

function isWhere(begun: Where, { log, joinedAt }: Where): boolean {
  return log === begun.log && (joinedAt === undefined || joinedAt === begun.joinedAt);
}

/** In parts, so that no page makes this device hold more than a few large payloads. */
async function applyPage(
  deps: ConversationDeps,
  steps: ConversationSteps,
  begun: Where,
  entries: readonly Entry[],
): Promise<void> {
  let part: ReadEntry[] = [];
  let held = 0;
  for (const entry of entries) {
    const payload = await payloadOf(deps, entry);
    part.push({ entry, payload });
    held += payload?.length ?? 0;
    if (held < readBudget) continue;
    await applyAll(deps, steps, begun, part);
    part = [];
    held = 0;
  }
  await applyAll(deps, steps, begun, part);
}

/** Nothing, where this device is put in anew before. `begun`: where they were read. */
export function applyAll(
  deps: ConversationDeps,
  steps: ConversationSteps,
  begun: Where,
  reads: readonly ReadEntry[],
): Promise<void> {
  return steps.take(async (state) => {
    if (!isWhere(begun, state)) return undefined;
    let step = silent(state);
    for (const read of reads) step = merged(step, await applied(deps, steps, step.state, read));
    return step;
  });
}

/** Entries of a doorbell count where they continue what was read. @throws Refused, LostAnswer */
export async function applyRung(
  deps: ConversationDeps,
  steps: ConversationSteps,
  log: string,
  entries: readonly Entry[],
): Promise<void> {
  if (!continues(steps.now, log, entries)) return;
  // More than one large payload is read in parts.
  if (entries.filter(({ payload }) => "blob" in payload).length > 1) return;
  const reads: ReadEntry[] = [];
  // Before the step, which others wait for.
  for (const entry of entries) reads.push({ entry, payload: await payloadOf(deps, entry) });
  await steps.take(async (state) => {
    if (!continues(state, log, entries)) return undefined;
    let step = silent(state);
    for (const read of reads) {
      if (read.entry.seq <= step.state.cursor) continue;
      if (read.entry.prev !== step.state.cursor) break;
      step = merged(step, await applied(deps, steps, step.state, read));
    }
    return step;
  });
}

function continues(
  { log: current, phase, joinedAt, cursor }: ConversationState,
  log: string,
  entries: readonly Entry[],
): boolean {
  if (current !== log || phase !== "open" || joinedAt !== undefined) return false;
  return entries.some(({ prev, seq }) => prev <= cursor && seq > cursor);
}

async function applied(
  deps: ConversationDeps,
  steps: ConversationSteps,
  state: ConversationState,
  read: ReadEntry,
): Promise<Step> {
  const step = await appliedOnce(deps, state, read);
  const message = step.items.find((item) => item.kind === "message");
  if (message === undefined || isOwn(deps, message) || !(await steps.shown.has(message))) return step;
  // A copy of what came too long ago for the state to know it.
  const { former } = state;
  const again = await appliedOnce(deps, { ...state, former: [...former, keyOf(message)] }, read);
  if (step.state.group !== undefined) wipe(secretsOnlyIn(step.state.group, state.group));
  return { ...again, state: { ...again.state, former } };
}

/** What this device sent itself is shown once, when it is read. */
function isOwn({ context }: ConversationDeps, { from, device }: TimelineMessage): boolean {
  return from === context().account && device === context().device;
}

async function appliedOnce(deps: ConversationDeps, state: ConversationState, read: ReadEntry): Promise<Step> {
  try {
    return await applyEntry(deps.context(), state, read);
  } catch (cause) {
    deps.failed(new TacitError("internal", "an entry could not be read", { cause }));
    return passOver(state, read.entry);
  }
}

function payloadOf(deps: ConversationDeps, { payload }: Entry): Promise<Uint8Array | undefined> {
  return received({ ...deps, provider: deps.context().provider }, payload);
}
