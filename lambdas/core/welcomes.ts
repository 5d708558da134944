/** Welcomes that land with a commit, each in the place that a claim holds for it, or that come into force with it. */
import type { Request } from "@tacit/protocol";
import type { LandingWrite, StageName, StoredAccount, WelcomeWrite } from "../ports.ts";
import type { Caller } from "./caller.ts";
import { seconds, welcomeLife } from "./expiry.ts";
import type { Relay } from "./relay.ts";
import { Refused } from "./refused.ts";

type Welcomes = Request<"commit">["welcomes"];
type Landing = Pick<Request<"commit">, "conversation" | "entry" | "welcomes" | "staged">;

/** Account records that are read at a time. A commit may bring in 250, and each at once would wait for a socket of its own. */
const readAtOnce = 25;

export function requireDistinctWelcomes(welcomes: Welcomes): void {
  const distinct = new Set(welcomes.map(({ claim }) => claim)).size === welcomes.length;
  if (!distinct) throw new Refused("malformed", "welcomes: one claim twice");
}

/** @throws Refused `key_package_not_claimed` where nothing was staged */
export async function welcomedDevices(
  { stages, clock }: Relay,
  caller: Caller,
  request: Landing,
): Promise<ReadonlySet<string>> {
  const devices = request.welcomes.map(({ device }) => device);
  if (!request.staged) return new Set(devices);
  const stage = await stages.get(stageOf(caller, request), seconds(clock.now()));
  if (stage?.state !== "open") throw notClaimed();
  return new Set([...devices, ...stage.devices]);
}

const stageOf = ({ account }: Caller, { conversation, entry }: Landing): StageName => ({
  conversation,
  entry,
  by: account,
});

/** What the landing brings into force. */
export function stageWrite({ clock }: Relay, caller: Caller, request: Landing): LandingWrite["stage"] {
  if (!request.staged) return undefined;
  const now = seconds(clock.now());
  return { name: stageOf(caller, request), now, ttl: now + welcomeLife };
}

/**
 * Nobody comes in, or is rung, who was not claimed: each account is welcomed on one device at least. Whether the claims
 * are the caller's shows when they land.
 *
 * @throws Refused `key_package_not_claimed`
 */
export async function requireWelcomed(
  { directory }: Relay,
  accounts: readonly string[],
  welcomed: ReadonlySet<string>,
): Promise<void> {
  const isWelcomed = (record: StoredAccount | undefined) => record?.devices.some((device) => welcomed.has(device));
  for (let from = 0; from < accounts.length; from += readAtOnce) {
    const some = accounts.slice(from, from + readAtOnce);
    const records = await Promise.all(some.map((account) => directory.get(account)));
    if (!records.every(isWelcomed)) {
      throw new Refused("key_package_not_claimed", "welcomes: none for an account that comes in");
    }
  }
}

export function welcomeWrites({ clock }: Relay, { account }: Caller, welcomes: Welcomes): readonly WelcomeWrite[] {
  const ttl = seconds(clock.now()) + welcomeLife;
  return welcomes.map(({ device, claim, payload }) => ({ device, claim, payload, by: account, ttl }));
}

export const notClaimed = (): Refused =>
  new Refused("key_package_not_claimed", "welcomes: a claim that is not yours, or was used, or a stage that is over");
