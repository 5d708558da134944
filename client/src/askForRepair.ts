/** Asking other devices to put this one in anew, through their inboxes: those of the own account first, then some members'. */
import type { ConversationDeps } from "./conversationDeps.ts";
import type { ConversationSteps } from "./conversationSteps.ts";
import { encodeBase64Url, isDirect } from "@tacit/protocol";
import { Refused } from "./relaySocket.ts";
import { uniformOf } from "./session/backoff.ts";
import { randomId } from "./session/cryptoContext.ts";
import { silent, type ConversationState } from "./session/conversation.ts";

/** Milliseconds from one request to the next: the last one repeats. Whoever is asked may be away for a night. */
const pauses = [20_000, 120_000, 600_000, 3_600_000, 21_600_000, 86_400_000];
/** Devices that are asked at a time. */
const asked = 8;
/** Requests that nobody serves after which the conversation is over for this account. */
const refusalsToEnd = 3;

/** Milliseconds to wait after so many attempts. */
export function pauseAfter(attempts: number, random: (length: number) => Uint8Array): number {
  return pauses[Math.min(attempts, pauses.length - 1)]! * (0.75 + 0.5 * uniformOf(random));
}

export async function askForRepair(deps: ConversationDeps, steps: ConversationSteps): Promise<void> {
  const state = steps.now;
  const { repair, log } = state;
  if (repair === undefined) return;
  const { provider } = deps.context();
  const now = deps.connection.now();
  // Stored first: a request that makes this device crash must not be repeated at once.
  const next = {
    ...repair,
    attempts: repair.attempts + 1,
    due: now + pauseAfter(repair.attempts, provider.random),
  };
  await steps.take((current) => (current.repair === repair ? silent({ ...current, repair: next }) : undefined));
  const payload = { inline: encodeBase64Url(await deps.repairRequest(log, now)) };
  let refused = 0;
  const targets = await whomToAsk(deps, state);
  for (const { account, device } of targets) {
    const isOwn = account === deps.context().account;
    const request = { account, device, message: randomId(provider), payload };
    try {
      await deps.connection.request("sendInbox", isOwn ? request : { ...request, conversation: log });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.refusal.code === "not_a_member") refused++;
    }
  }
  if (targets.length > 0 && refused === targets.length && next.attempts >= refusalsToEnd) await giveUp(deps, steps);
}

/** The account is not on the roster any more: somebody took it out while this device could not follow. */
async function giveUp(deps: ConversationDeps, steps: ConversationSteps): Promise<void> {
  await steps.take((state) =>
    state.phase === "stuck" || state.phase === "awaitingWelcome"
      ? silent({ ...state, phase: "ended", repair: undefined })
      : undefined,
  );
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
      devices = await deps.devicesOf(account);
    } catch (error) {
      // One whose record does not hold is not asked.
      if (error instanceof Refused || (error instanceof Error && error.name === "TacitError")) continue;
      throw error;
    }
    targets.push(...devices.filter((device) => device !== own).map((device) => ({ account, device })));
  }
  return targets.slice(0, asked);
}

function shuffled<T>(items: readonly T[], random: (length: number) => Uint8Array): readonly T[] {
  return items
    .map((item) => ({ item, order: uniformOf(random) }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item);
}
