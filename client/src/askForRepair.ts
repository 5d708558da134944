/** Asking other devices to put this one in anew, through their inboxes: those of the own account first, then some members'. */
import type { ConversationDeps } from "./conversationDeps.ts";
import type { ConversationSteps } from "./conversationSteps.ts";
import { encodeBase64Url, isDirect } from "@tacit/protocol";
import { LostAnswer, Refused } from "./relaySocket.ts";
import { uniformOf } from "./session/backoff.ts";
import { randomId } from "./session/cryptoContext.ts";
import { noted, silent, type ConversationState, type Repair } from "./session/conversation.ts";
import { askedInDoubt, isInDoubt, successorToName } from "./session/doubt.ts";
import type { RepairRequest } from "./session/repairRequest.ts";
import { identities } from "./session/group.ts";
import { pauseAfter } from "./session/repairPauses.ts";
import { isLeftAlone } from "./session/successor.ts";

/** Devices that are asked at a time, and how many of the own account among them. */
const asked = 8;
const askedOwn = 4;
/**
 * Rounds of requests in a row after which the conversation is over for this account, where the relay says to each that it is on no roster; and
 * more than an hour after the first. A void commit may drop it, and it is taken back within seconds of somebody's being there.
 */
const refusalsToEnd = 4;
/** Milliseconds: what was asked before this device goes on elsewhere is asked again where it did not get there meanwhile. */
const calledFor = 3_600_000;

export async function askForRepair(deps: ConversationDeps, steps: ConversationSteps): Promise<void> {
  const state = steps.now;
  const { repair } = state;
  if (repair === undefined) return;
  const { provider } = deps.context();
  const now = deps.connection.now();
  // Stored first: a request that makes this device crash must not be repeated at once.
  const attempts = repair.attempts + 1;
  const before = repair.refused ?? 0;
  // Where it is refused, however often it has asked before: it may have been taken out lately, and taken back soon.
  const pause = (rounds: number): number =>
    pauseAfter(rounds === 0 ? repair.attempts : Math.min(repair.attempts, rounds), provider.random);
  const next = { ...repair, attempts, due: now + pause(before) };
  await steps.take((current) => {
    if (current.repair !== repair) return undefined;
    const asked = { ...current, repair: next };
    const at = { seq: current.cursor, storedAt: now };
    return isLeftAlone(asked) && !isLeftAlone(current) ? noted(asked, { kind: "unanswered" }, at) : silent(asked);
  });
  const { reached, refused, lost } = await ask(deps, state, { at: now, log: undefined });
  // A round that got lost says nothing of it.
  const unsaid = lost === undefined ? 0 : before;
  const rounds = reached > 0 ? 0 : refused > 0 ? before + 1 : unsaid;
  if (rounds > before && rounds >= refusalsToEnd && attempts > refusalsToEnd) await giveUp(deps, steps);
  else if (rounds !== before) {
    const due = now + pause(rounds);
    await steps.take((current) =>
      current.repair === next ? silent({ ...current, repair: { ...next, due, refused: rounds } }) : undefined,
    );
  }
  if (lost !== undefined) throw lost;
}

/**
 * Asks once more before this device goes on elsewhere: it reads nothing, so it does not see that its account is taken out. False: the relay says to each
 * request that it is on no roster, and then it asks on; or nothing came back, and it tries that again within the hour.
 */
export async function isServedStill(deps: ConversationDeps, steps: ConversationSteps): Promise<boolean> {
  const { repair } = steps.now;
  const now = deps.connection.now();
  if (repair === undefined || (repair.called !== undefined && now < repair.called + calledFor)) return true;
  const asking = { ...repair, due: now + calledFor };
  const become = (from: Repair, to: Repair): Promise<void> =>
    steps.take((state) => (state.repair === from ? silent({ ...state, repair: to }) : undefined));
  await become(repair, asking);
  const { reached, refused, lost } = await ask(deps, steps.now, { at: now, log: undefined });
  const isServed = reached > 0 || (refused === 0 && lost === undefined);
  if (isServed) await become(asking, { ...repair, called: now });
  else if (refused > 0) await become(asking, { ...repair, refused: 1 });
  return isServed;
}

/** Asks as one that goes on, and may be elsewhere than the others. */
export async function askInDoubt(deps: ConversationDeps, steps: ConversationSteps): Promise<void> {
  const state = steps.now;
  if (!isInDoubt(state)) return;
  const now = deps.connection.now();
  await steps.take((current) => silent({ ...current, doubt: askedInDoubt(current.doubt, now) }));
  const log = state.chain && { seq: state.cursor, hash: encodeBase64Url(state.chain) };
  const { lost } = await ask(deps, state, { at: now, log });
  if (lost !== undefined) throw lost;
}

/** How many of the others' devices were reached, how many not because this account is on no roster, and what kept it from asking the rest. */
async function ask(
  deps: ConversationDeps,
  state: ConversationState,
  { at, log }: Pick<RepairRequest, "at" | "log">,
): Promise<{ readonly reached: number; readonly refused: number; readonly lost?: Error }> {
  const { account: self, provider } = deps.context();
  const { log: conversation, doubt } = state;
  const body = { conversation, at, log, successor: successorToName(doubt) };
  const payload = { inline: encodeBase64Url(await deps.repairRequest(body)) };
  let reached = 0;
  let refused = 0;
  const targets = await whomToAsk(deps, state);
  for (const { account, device } of targets) {
    const request = { account, device, message: randomId(provider), payload };
    // Devices of the own account are reached whether it is on the roster or not.
    const isOther = account !== self;
    try {
      await deps.connection.request("sendInbox", account === self ? request : { ...request, conversation });
      if (isOther) reached++;
    } catch (error) {
      if (error instanceof LostAnswer) return { reached, refused, lost: error };
      if (!(error instanceof Refused)) throw error;
      if (isOther && error.refusal.code === "not_a_member") refused++;
    }
  }
  return { reached, refused };
}

/** The account is not on the roster any more: somebody took it out while this device could not follow. */
async function giveUp(deps: ConversationDeps, steps: ConversationSteps): Promise<void> {
  const { connection } = deps;
  await steps.take((state) => {
    if (state.phase !== "stuck" && state.phase !== "awaitingWelcome") return undefined;
    // Nothing proves it: where others go on and take it along, it is with them.
    const anchors = state.group === undefined ? state.anchors : identities(state.group);
    const ended = { ...state, phase: "ended" as const, repair: undefined, anchors };
    return noted(ended, { kind: "noLongerMember" }, { seq: state.cursor, storedAt: connection.now() });
  });
}

interface Target {
  readonly account: string;
  readonly device: string;
}

async function whomToAsk(deps: ConversationDeps, { roster, log }: ConversationState): Promise<readonly Target[]> {
  const { account: self, device: own, provider } = deps.context();
  const targets: Target[] = [];
  const others = shuffled(
    roster.filter((account) => account !== self),
    provider.random,
  );
  for (const account of [self, ...others]) {
    if (targets.length >= asked && !isDirect(log)) break;
    let devices: readonly string[];
    try {
      devices = (await deps.devicesOf(account)).listed;
    } catch (error) {
      // One whose record does not hold is not asked.
      if (error instanceof Refused || (error instanceof Error && error.name === "TacitError")) continue;
      throw error;
    }
    const others = devices.filter((device) => device !== own).map((device) => ({ account, device }));
    targets.push(...(account === self ? others.slice(0, askedOwn) : others));
  }
  return targets.slice(0, asked);
}

function shuffled<T>(items: readonly T[], random: (length: number) => Uint8Array): readonly T[] {
  return items
    .map((item) => ({ item, order: uniformOf(random) }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item);
}
