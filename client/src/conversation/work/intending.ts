/** From what is wanted to a commit that waits to land: planning, claiming key packages, refusing. */
import { MlsError } from "@tacit/mls";
import { TacitError } from "../../errors.ts";
import { LostAnswer, Refused } from "../../connection/relaySocket.ts";
import { silent, type Claimed, type Intent } from "../../session/conversation.ts";
import { planFor, withClaimed, withoutIntent, withoutUnclaimed, type Plan } from "../../session/intents.ts";
import { leavePending } from "../../session/leaving.ts";
import { changePending, RuleBroken } from "../../session/pendingCommit.ts";
import { translate } from "../../translate.ts";
import { isFinal } from "./isFinal.ts";
import type { Work } from "./work.ts";

/** Does the next thing that `intent` needs. @throws TacitError, Refused, LostAnswer */
export async function pursue(work: Work, intent: Intent): Promise<void> {
  const { deps, steps } = work;
  const plan = planFor(deps.context(), steps.now, intent);
  switch (plan.kind) {
    case "claim":
      return claimFor(work, intent, plan);
    case "done":
      return steps.take((state) => silent(withoutIntent(state, intent.id)));
    case "forbidden":
      return refuse(work, intent, new TacitError("forbidden", "the group's roles do not allow it"));
    case "leave":
      return steps.take((state) =>
        state.group === undefined || state.leaving !== undefined ? undefined : leavePending(deps.context(), state),
      );
    case "commit":
      try {
        return await prepare(work, intent);
      } catch (error) {
        if (error instanceof RuleBroken) {
          return refuse(work, intent, new TacitError("forbidden", "the group's rules do not allow it"));
        }
        // What was claimed does not fit the group, and would be in the way of everything behind it.
        if (!(error instanceof MlsError) || !("claimed" in intent)) throw error;
        return refuse(work, intent, new TacitError("identity_invalid", "a key package does not fit the group"));
      }
  }
}

/** It will never be so. @throws TacitError of the store: then it is refused again */
export function refuse({ steps, waiters }: Work, { id }: Intent, error: TacitError): Promise<void> {
  return waiters.refused(id, error, () => steps.take((state) => silent(withoutIntent(state, id))));
}

function prepare({ deps, steps }: Work, intent: Intent): Promise<void> {
  const { context, connection } = deps;
  return steps.take(async (state) => {
    // The turn may have ended meanwhile.
    if (state.phase !== "open" || state.pending !== undefined) return undefined;
    const again = planFor(context(), state, intent);
    return again.kind === "commit" ? changePending(context(), state, again.wish, connection.now()) : undefined;
  });
}

async function claimFor(
  work: Work,
  intent: Intent,
  { accounts, devices }: Extract<Plan, { kind: "claim" }>,
): Promise<void> {
  const claimed: Claimed[] = [];
  for (const account of accounts) {
    try {
      claimed.push(...(await work.deps.claim(account, devices)));
    } catch (error) {
      if (claimed.length > 0) break;
      const translated = translate(error);
      const mayPass = error instanceof LostAnswer || (error instanceof Refused && !isFinal(error));
      if (mayPass) throw error;
      if (intent.kind !== "devices") return refuse(work, intent, translated);
      break;
    }
  }
  await work.steps.take((state) => silent(withoutUnclaimed(withClaimed(state, intent.id, claimed), intent.id)));
}
