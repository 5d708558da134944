/**
 * `sendInbox`: something for one device. It is for devices of the own account, and of those with whom one shares a
 * conversation: nobody else can fill an inbox.
 */
import type { Request } from "@tacit/protocol";
import { afterLanding } from "./afterLanding.ts";
import type { Caller } from "./caller.ts";
import { digest } from "./digest.ts";
import type { Done } from "./done.ts";
import { messageLife, seconds } from "./expiry.ts";
import { keepBlobs } from "./keepBlobs.ts";
import type { Relay } from "./relay.ts";
import { ringTargets } from "./ringSlice.ts";
import { notAMember, Refused } from "./refused.ts";

const hour = 60 * 60_000;
const day = 24 * hour;
/** What one account may send in an hour, whomever to. */
const perAccount = 1_000;
/** What one account may send another in a day: as much as that one's inboxes hold of it, times the days of a message. */
const perTarget = 300;
/** The same among the devices of one account. */
const perSiblings = 3_000;
/** What devices without a certificate may send in a day: a token is enough for that, so it is counted apart. */
const perNewcomers = 300;

type Sending = Request<"sendInbox">;

export async function sendInbox(relay: Relay, caller: Caller, request: Sending): Promise<Done<"sendInbox">> {
  const { account, device, message, payload } = request;
  await requireReach(relay, caller, request);
  await count(relay, caller, account);
  await keepBlobs(relay, [payload], []);
  const from = { account: caller.account, device: caller.device };
  const at = relay.clock.now();
  // What a message refers to is kept for as long as entries are.
  const life = "blob" in payload ? Math.min(messageLife, relay.settings.retention) : messageLife;
  await relay.inbox.send({
    account,
    device,
    // Says to nobody who sent what to whom, but to those who know the message's name.
    mark: digest(relay, JSON.stringify([from.account, from.device, account, device, message])),
    // Sorts by time, like claims.
    id: at.toString(16).padStart(12, "0") + relay.random.id(16),
    from,
    payload,
    at,
    ttl: seconds(at + life),
  });
  await afterLanding(relay, caller, "sendInbox", [ringInbox(relay, account, device)]);
  return { answer: {} };
}

/** @throws Refused `out_of_scope`, `malformed`, `not_a_member` or `unknown_account` */
async function requireReach(relay: Relay, caller: Caller, request: Sending): Promise<void> {
  const { account, device, conversation, payload } = request;
  const isOwn = account === caller.account;
  if (caller.scope !== "full") {
    if (!isOwn || "blob" in payload) throw new Refused("out_of_scope", "this device has no certificate yet");
    return requireCertified(relay, account, device);
  }
  // A device that is being linked has no certificate, and is known to those alone who were told its name.
  if (isOwn) return;
  if (conversation === undefined) throw new Refused("malformed", "conversation: the account is another");
  const roster = (await relay.conversations.get(conversation))?.roster;
  // Whom the last commit dropped may mend the roster first (roster.ts), and then send.
  if (roster?.includes(caller.account) !== true) throw notAMember();
  if (!roster.includes(account)) throw noSuchDevice();
  await requireCertified(relay, account, device);
}

async function requireCertified({ directory }: Relay, account: string, device: string): Promise<void> {
  const record = await directory.get(account);
  if (record?.devices.includes(device) !== true) throw noSuchDevice();
}

/** Whether there is one that the caller does not share the conversation with, nobody is told. */
function noSuchDevice(): Refused {
  return new Refused("unknown_account", "no such device of an account in reach");
}

/** @throws Refused `rate_limited` */
async function count({ counters, clock }: Relay, { account, scope }: Caller, target: string): Promise<void> {
  const now = clock.now();
  const within = async (name: string, span: number, limit: number): Promise<void> => {
    const window = Math.floor(now / span);
    const end = (window + 1) * span;
    const counted = await counters.add(account, `inbox#${window}#${name}`, 1, seconds(end + hour), limit);
    if (counted === undefined) throw new Refused("rate_limited", "too many messages", { retryAfter: end - now });
  };
  if (scope !== "full") return within("newcomers", day, perNewcomers);
  await within(`to#${target}`, day, target === account ? perSiblings : perTarget);
  await within("all", hour, perAccount);
}

/** A device that is not registered, as one without a certificate never is, looks by itself. */
async function ringInbox(relay: Relay, account: string, device: string): Promise<undefined> {
  const registration = (await relay.connections.of([account])).get(account)?.get(device);
  if (registration === undefined) return undefined;
  const { connection, lease } = registration;
  await ringTargets(relay, [{ account, device, connection, lease }], JSON.stringify({ push: "inbox" }));
  return undefined;
}
