/** Messages: sealed for the turn, sent together, and taken from the outbox when the log has them. */
import type { Request } from "@tacit/protocol";
import type { TacitError } from "../../errors.ts";
import { sendable } from "../../payloads.ts";
import { applyAll } from "../readLog.ts";
import { LostAnswer, Refused } from "../../connection/relaySocket.ts";
import { silent } from "../../session/conversation.ts";
import { dropOutgoing, nextBatch, ownEntries, sealBatch } from "../../session/outbox.ts";
import { translate } from "../../translate.ts";
import { isFinal } from "./isFinal.ts";
import type { Work } from "./work.ts";

/** These messages will never be sent. */
export type GaveUp = (numbers: readonly number[], error: TacitError) => void;

/** @throws Refused, LostAnswer */
export async function append(work: Work, gaveUp: GaveUp): Promise<void> {
  const { deps, steps, reading, retry } = work;
  await steps.take((state) => (state.group === undefined ? undefined : sealBatch(deps.context(), state)));
  const batch = nextBatch(steps.now);
  if (batch.length === 0) return retry.again(new LostAnswer("nothing could be sealed"));
  const { turn, log } = steps.now;
  const entries: Request<"append">["entries"] = [];
  const payloadDeps = { ...deps, provider: deps.context().provider };
  for (const { sealed } of batch) {
    entries.push({ id: sealed.entry, payload: await sendable(payloadDeps, sealed.ciphertext) });
  }
  reading.owe();
  let accepted;
  try {
    ({ accepted } = await deps.connection.request("append", { conversation: log, turn, entries }));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (triesAgain(work, turn, error)) return;
    reading.owesNothing();
    const numbers = batch.map(({ number }) => number);
    await steps.take((state) => silent(dropOutgoing(state, numbers)));
    return gaveUp(numbers, translate(error));
  }
  const { now } = steps;
  const own = ownEntries(now, accepted);
  if (own === undefined) return;
  if (own.length === 0) return retry.again(new LostAnswer("nothing was accepted"));
  await applyAll(deps, steps, now, own);
  reading.owesNothing();
  retry.startOver();
}

/** Whether what was refused is sent again at once; false: never. @throws Refused: later */
function triesAgain({ turns, retry }: Work, turn: number, error: Refused): boolean {
  const { code } = error.refusal;
  // Where each turn brings a new one, the message is sealed and sent at once in the next.
  const isProgress = code === "stale" && turns.isOver(turn);
  turns.expectDoorbells(false);
  if (isProgress) return true;
  if (code === "stale" || code === "not_a_member") {
    retry.again(error);
    return true;
  }
  if (!isFinal(error)) throw error;
  return false;
}
