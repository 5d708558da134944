/** What a member does about a roster that a void commit disturbed, and where a log cannot be gone on with. */
import { noted, silent } from "../session/conversation.ts";
import { isServed, newIntent, toTakeBack, withIntent } from "../session/intents.ts";
import { pauseAfter } from "../session/repairPauses.ts";
import { isLeftAlone, succeeding } from "../session/successor.ts";
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
    const { attempts = 0, after = state.cursor } = state.repair ?? {};
    const due = now + pauseAfter(attempts, provider.random);
    const looked = { ...state, repair: { ...state.repair, attempts: attempts + 1, due, after } };
    const at = { seq: state.cursor, storedAt: now };
    return isLeftAlone(looked) && !isLeftAlone(state) ? noted(looked, { kind: "unanswered" }, at) : silent(looked);
  });
}

export async function succeed({ deps, steps }: Parts): Promise<void> {
  const context = deps.context();
  await steps.take((state) => {
    const isUnserved = state.phase === "open" && !isServed(state, context.account);
    const isLost = state.phase === "stuck" || state.phase === "awaitingWelcome" || isUnserved;
    return isLost ? succeeding(context, state) : undefined;
  });
}
