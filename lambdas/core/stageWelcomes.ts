/**
 * `stageWelcomes`: lays Welcomes of a commit that is still to come into their places, unseen. In this order: the Welcome
 * first, then the note that its device has one, so that a commit counts none that is not there.
 */
import { limits, type Request } from "@tacit/protocol";
import type { StageName } from "../ports.ts";
import type { Caller } from "./caller.ts";
import type { Done } from "./done.ts";
import { claimLife, seconds, welcomeLife } from "./expiry.ts";
import { keepBlobs } from "./keepBlobs.ts";
import { countMessages, requireUnblocked } from "./messageRate.ts";
import type { Relay } from "./relay.ts";
import { notAMember, Refused } from "./refused.ts";
import { mayCommit } from "./roster.ts";
import { notClaimed, requireDistinctWelcomes } from "./welcomes.ts";

type Staging = Request<"stageWelcomes">;

export async function stageWelcomes(relay: Relay, caller: Caller, request: Staging): Promise<Done<"stageWelcomes">> {
  requireUnblocked(relay, caller);
  const { welcomes, conversation: name } = request;
  requireDistinctWelcomes(welcomes);
  const conversation = await relay.conversations.get(name);
  if (conversation !== undefined && !mayCommit(conversation, caller.account)) throw notAMember();
  const stage: StageName = { conversation: name, entry: request.entry, by: caller.account };
  if (await isDone(relay, stage, request)) return { answer: {} };

  await keepBlobs(
    relay,
    welcomes.map(({ payload }) => payload),
    [],
  );
  const abandon = abandoning(relay);
  await Promise.all(welcomes.map((welcome) => lay(relay, stage, welcome, abandon)));
  const devices = [...new Set(welcomes.map(({ device }) => device))];
  if (!(await relay.stages.note(stage, devices, seconds(relay.clock.now()) + claimLife))) throw notClaimed();
  await countMessages(relay, caller, 1);
  return { answer: {} };
}

/**
 * Whether it is a repetition that came after the commit.
 *
 * @throws Refused `key_package_not_claimed` where the stage takes no more, else `limit_exceeded`
 */
async function isDone(relay: Relay, stage: StageName, { welcomes }: Staging): Promise<boolean> {
  const known = await relay.stages.get(stage, seconds(relay.clock.now()));
  if (known === undefined) return false;
  const unknown = welcomes.filter(({ device }) => !known.devices.has(device));
  if (known.state === "inForce" && unknown.length === 0) return true;
  if (known.state !== "open") throw notClaimed();
  if (known.devices.size + unknown.length > limits.stagedWelcomes) {
    throw new Refused("limit_exceeded", `a commit has ${limits.stagedWelcomes} staged Welcomes at most`);
  }
  return false;
}

/**
 * A claim that lies in another stage is taken from it, and that stage never lands: else one claim would bring an account into two
 * conversations.
 */
async function lay(
  relay: Relay,
  stage: StageName,
  welcome: Staging["welcomes"][number],
  abandon: ReturnType<typeof abandoning>,
): Promise<void> {
  const at = relay.clock.now();
  // It outlives its stage where that never lands; whoever meets it then deletes it.
  const write = { ...welcome, at, ttl: seconds(at) + welcomeLife };
  const first = await relay.stages.lay(stage, write);
  if (first.laid) return;
  const { heldBy } = first;
  if (heldBy === undefined || !(await abandon(heldBy))) throw notClaimed();
  if (!(await relay.stages.lay(stage, write, heldBy)).laid) throw notClaimed();
}

/** Each stage once, however many claims lie in it. */
function abandoning({ stages, clock }: Relay): (stage: StageName) => Promise<boolean> {
  const abandoned = new Map<string, Promise<boolean>>();
  return (stage) => {
    const name = JSON.stringify(stage);
    // Remembered for longer than anything that was noted of it.
    const done = abandoned.get(name) ?? stages.abandon(stage, seconds(clock.now()) + 2 * claimLife);
    abandoned.set(name, done);
    return done;
  };
}
