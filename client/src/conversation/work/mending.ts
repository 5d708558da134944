/** What a member does about a roster that a void commit disturbed, and where a log cannot be gone on with. */
import { isServedStill } from "../askForRepair.ts";
import { sameSet } from "../../session/reading/commitData.ts";
import { merged, silent, type ConversationState } from "../../session/conversation.ts";
import { isServed, newIntent, toTakeBack, withIntent } from "../../session/intents.ts";
import { createPending } from "../../session/pendingCommit.ts";
import { newRepair, roundBegun } from "../../session/repair/repair.ts";
import { asksFirst, succeeding, withRepair } from "../../session/repair/successor.ts";
import { followingAgain } from "../../session/repair/wantRepair.ts";
import { claimFor } from "./creating.ts";
import type { Work } from "./work.ts";

type Parts = Pick<Work, "deps" | "steps">;

/** Wants somebody put in anew whom the relay does not serve. `tried`: accounts of which that was wanted; grows by the one. */
export async function takeBack({ deps, steps }: Parts, tried: Set<string>): Promise<void> {
  const { context, connection } = deps;
  const lost = toTakeBack(steps.now, context().account, { now: connection.now(), except: tried });
  if (lost === undefined) return;
  tried.add(lost.account);
  const intent = { kind: "readmit", ...lost, since: connection.now(), claimed: [] } as const;
  await steps.take((state) => silent(withIntent(state, newIntent(context(), intent))));
}

/** Whoever is not served looks again later whether somebody took it back. */
export async function lookLater({ deps, steps, reading }: Pick<Work, "deps" | "steps" | "reading">): Promise<void> {
  const { connection, context } = deps;
  const { provider } = context();
  reading.owe();
  await steps.take((state) => {
    const now = connection.now();
    // A look counts like a round, though nobody is asked.
    const repair = roundBegun(state.repair ?? newRepair(state.cursor, now), now, provider.random);
    return withRepair(state, repair, now);
  });
}

/** Nobody put this device in anew, which only its user wanted: it reads on. */
export async function followAgain({ deps, steps, reading }: Pick<Work, "deps" | "steps" | "reading">): Promise<void> {
  const { context, connection } = deps;
  await steps.take((state) => {
    if (state.phase !== "stuck" || state.repair?.wished !== true) return undefined;
    reading.owe();
    return silent(followingAgain(context(), state, connection.now()));
  });
}

/**
 * Goes on in a successor, once it can be created: until then a Welcome to where this device was is still of use.
 * @throws TacitError, Refused, LostAnswer
 */
export async function succeed({ deps, steps }: Parts): Promise<void> {
  const { context, connection } = deps;
  const isLost = (state: ConversationState): boolean =>
    state.phase === "stuck" ||
    state.phase === "awaitingWelcome" ||
    (state.phase === "open" && !isServed(state, context().account));
  if (asksFirst(steps.now) && !(await isServedStill(deps, steps))) return;
  const { roster, data } = succeeding(context(), steps.now).state;
  const claimed = await claimFor(deps, { roster, data });
  await steps.take(async (state) => {
    if (!isLost(state)) return undefined;
    const moved = succeeding(context(), state);
    if (!sameSet(moved.state.roster, roster)) return undefined;
    return merged(moved, await createPending(context(), moved.state, claimed, connection.now()));
  });
}
