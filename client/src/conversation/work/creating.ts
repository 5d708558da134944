import { TacitError } from "../../errors.ts";
import type { Claimed, ConversationState } from "../../session/conversation.ts";
import { mayRemove } from "../../session/group/memberChange.ts";
import { createPending } from "../../session/pendingCommit.ts";
import type { Work } from "./work.ts";

/** Prepares the commit that creates the conversation, with everybody who can be reached. @throws TacitError, Refused, LostAnswer */
export async function create({ deps, steps }: Pick<Work, "deps" | "steps">): Promise<void> {
  const { context, connection } = deps;
  const claimed = await claimFor(deps, steps.now);
  await steps.take((state) =>
    state.phase === "opening" && state.pending === undefined
      ? createPending(context(), state, claimed, connection.now())
      : undefined,
  );
}

/** Key packages of the devices of `wanted`, which nobody has created yet. @throws TacitError, Refused, LostAnswer */
export async function claimFor(
  { context, claim, devicesOf }: Work["deps"],
  { roster, data }: Pick<ConversationState, "roster" | "data">,
): Promise<readonly Claimed[]> {
  const { account, device } = context();
  const claimed: Claimed[] = [];
  for (const each of roster) {
    const others = each !== account || (await devicesOf(account)).listed.some((other) => other !== device);
    // The own other devices are added later where they cannot be now. And who cannot be reached must not keep others from going on.
    const mayWait = each === account || (data.predecessor !== undefined && mayRemove(data, account, each));
    if (others) claimed.push(...(await (mayWait ? claim(each).catch(passing) : claim(each))));
  }
  return claimed;
}

/** Of those who can do without, or be done without. */
function passing(error: unknown): readonly Claimed[] {
  if (error instanceof TacitError && error.code === "no_key_packages") return [];
  throw error;
}
