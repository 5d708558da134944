/** Asking other devices to put this one in anew, through their inboxes: those of the own account first, then some members'. */
import type { ConversationDeps } from "./conversationDeps.ts";
import type { ConversationSteps } from "./conversationSteps.ts";
import { encodeBase64Url, isDirect } from "@tacit/protocol";
import { LostAnswer, Refused } from "../connection/relaySocket.ts";
import { uniformOf } from "../session/backoff.ts";
import { randomId } from "../session/cryptoContext.ts";
import { noted, silent, type ConversationState } from "../session/conversation.ts";
import { askedInDoubt, isInDoubt, successorToName } from "../session/repair/doubt.ts";
import {
  callBegun,
  callEnded,
  hasCalled,
  roundBegun,
  roundEnded,
  type Repair,
  type Round,
} from "../session/repair/repair.ts";
import type { RepairRequest } from "../session/repair/repairRequest.ts";
import { identities } from "../session/group/group.ts";
import { withRepair } from "../session/repair/successor.ts";

/** Devices that are asked at a time, and how many of the own account among them. */
const asked = 8;
const askedOwn = 4;

/** A round of requests: whoever gets one in time puts this device in anew, once. @throws LostAnswer */
export async function askForRepair(deps: ConversationDeps, steps: ConversationSteps): Promise<void> {
  const state = steps.now;
  const { repair } = state;
  if (repair === undefined) return;
  const { random } = deps.context().provider;
  const now = deps.connection.now();
  const begun = roundBegun(repair, now, random);
  await steps.take((current) => (current.repair === repair ? withRepair(current, begun, now) : undefined));
  const round = await ask(deps, state, { at: now, log: undefined });
  const ended = roundEnded(begun, round, now, random);
  if (ended === undefined) await giveUp(deps, steps);
  else if (ended !== begun) await become(steps, begun, ended);
  if (round.lost !== undefined) throw round.lost;
}

/**
 * Asks once more before this device goes on elsewhere: it reads nothing, so it does not see that its account is taken out. False: the relay says to each
 * request that it is on no roster, and then it asks on; or nothing came back, and it tries that again within the hour.
 */
export async function isServedStill(deps: ConversationDeps, steps: ConversationSteps): Promise<boolean> {
  const { repair } = steps.now;
  const now = deps.connection.now();
  if (repair === undefined || hasCalled(repair, now)) return true;
  const begun = callBegun(repair, now);
  await become(steps, repair, begun);
  const ended = callEnded(repair, begun, await ask(deps, steps.now, { at: now, log: undefined }), now);
  if (ended !== begun) await become(steps, begun, ended);
  // It had not, before.
  return hasCalled(ended, now);
}

function become(steps: ConversationSteps, from: Repair, to: Repair): Promise<void> {
  return steps.take((state) => (state.repair === from ? silent({ ...state, repair: to }) : undefined));
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

/** Sends the requests. `lost`: what cut it short. */
async function ask(
  deps: ConversationDeps,
  state: ConversationState,
  { at, log }: Pick<RepairRequest, "at" | "log">,
): Promise<Round & { readonly lost?: Error }> {
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
      if (error instanceof LostAnswer) return { reached, refused, isCut: true, lost: error };
      if (!(error instanceof Refused)) throw error;
      if (isOther && error.refusal.code === "not_a_member") refused++;
    }
  }
  return { reached, refused, isCut: false };
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
