/** A frame's text to the frame that answers it. */
import { parseRequest, refuse, type AnyRequest, type Operation, type Refusal } from "@tacit/protocol";
import { acknowledgeInbox } from "./acknowledgeInbox.ts";
import { append } from "./append.ts";
import type { Caller, CloseReason } from "./caller.ts";
import { claimKeyPackages } from "./claimKeyPackages.ts";
import { commit } from "./commit.ts";
import { countKeyPackages } from "./countKeyPackages.ts";
import { createConversation } from "./createConversation.ts";
import type { Done } from "./done.ts";
import { downloadBlob } from "./downloadBlob.ts";
import { closeSocket } from "./farewell.ts";
import { getAccount } from "./getAccount.ts";
import { getBackup } from "./getBackup.ts";
import { hello, leaseOf } from "./hello.ts";
import { propose } from "./propose.ts";
import { publishKeyPackages } from "./publishKeyPackages.ts";
import { putAccount } from "./putAccount.ts";
import { putBackup } from "./putBackup.ts";
import { readInbox } from "./readInbox.ts";
import { readLog } from "./readLog.ts";
import { requireOnceRegistered, requireRegistered, requireUnrevoked } from "./registration.ts";
import type { Relay } from "./relay.ts";
import { Refused } from "./refused.ts";
import { sendInbox } from "./sendInbox.ts";
import { signal } from "./signal.ts";
import { stageWelcomes } from "./stageWelcomes.ts";
import { uploadBlob } from "./uploadBlob.ts";

/** Open to a device that has not entered its account yet: it enters a new one, is linked to it, or recovers it. */
const registering: ReadonlySet<Operation> = new Set<Operation>([
  "hello",
  "putAccount",
  "getAccount",
  "sendInbox",
  "readInbox",
  "acknowledgeInbox",
  "getBackup",
  "downloadBlob",
]);

/** These make the caller's registration, or meet it on their way, and need no read of their own. */
const checkingItself: ReadonlySet<Operation> = new Set<Operation>(["hello", "putAccount", "signal"]);

/**
 * Answers one frame. Never throws.
 *
 * @returns the answering frame for the function to return; undefined where it was posted because the socket then closed
 */
export async function answerFrame(relay: Relay, caller: Caller, text: string): Promise<string | undefined> {
  const { frame, closes } = await dispatch(relay, caller, text);
  if (closes === undefined) return frame;
  await relay.sockets.post(caller.connection, frame);
  await closeSocket(relay, caller.connection, closes);
  return undefined;
}

type Reply = { readonly frame: string; readonly closes: CloseReason | undefined };

export async function dispatch(relay: Relay, caller: Caller, text: string): Promise<Reply> {
  const parsed = parseRequest(text);
  const id = parsed.id ?? null;
  const refusal = (error: Refusal, closes?: CloseReason): Reply => ({ frame: JSON.stringify({ id, error }), closes });
  try {
    requireLease(relay, caller);
    if (!parsed.ok) return refusal(refuse(parsed.code, parsed.message));
    const { request } = parsed;
    if (caller.scope !== "full" && !registering.has(request.op)) {
      throw new Refused("out_of_scope", "this device has no certificate yet");
    }
    if (!checkingItself.has(request.op)) await guardOf(caller, request.op)(relay, caller);
    const { answer, closes } = await perform(relay, caller, request);
    return { frame: JSON.stringify({ id, ok: answer }), closes };
  } catch (error) {
    if (error instanceof Refused) return refusal(error.refusal, error.closes);
    const { requestId } = caller;
    relay.reports.unexpected(error, { operation: parsed.ok ? parsed.request.op : "parse", requestId });
    return refusal(refuse("internal", "something went wrong here", { requestId }));
  }
}

/** @throws Refused where the socket was admitted only to be told why not, or is over its time */
function requireLease({ clock }: Relay, caller: Caller): void {
  const serverTime = clock.now();
  if (caller.scope === "none") {
    throw new Refused(caller.reason ?? "token_expired", "connect again", { serverTime });
  }
  if (serverTime >= leaseOf(caller)) throw new Refused("lease_expired", "connect again", { serverTime });
}

/** What shows that the device was not revoked since its socket connected. One without a certificate is never registered. */
function guardOf({ scope }: Caller, op: Operation): (relay: Relay, caller: Caller) => Promise<void> {
  if (scope !== "full") return requireUnrevoked;
  return op === "append" ? requireOnceRegistered : requireRegistered;
}

function perform(relay: Relay, caller: Caller, request: AnyRequest): Promise<Done<Operation>> {
  switch (request.op) {
    case "hello":
      return hello(relay, caller);
    case "putAccount":
      return putAccount(relay, caller, request);
    case "getAccount":
      return getAccount(relay, caller, request);
    case "publishKeyPackages":
      return publishKeyPackages(relay, caller, request);
    case "countKeyPackages":
      return countKeyPackages(relay, caller);
    case "claimKeyPackages":
      return claimKeyPackages(relay, caller, request);
    case "stageWelcomes":
      return stageWelcomes(relay, caller, request);
    case "createConversation":
      return createConversation(relay, caller, request);
    case "commit":
      return commit(relay, caller, request);
    case "propose":
      return propose(relay, caller, request);
    case "append":
      return append(relay, caller, request);
    case "read":
      return readLog(relay, caller, request);
    case "readInbox":
      return readInbox(relay, caller, request);
    case "acknowledgeInbox":
      return acknowledgeInbox(relay, caller, request);
    case "sendInbox":
      return sendInbox(relay, caller, request);
    case "putBackup":
      return putBackup(relay, caller, request);
    case "getBackup":
      return getBackup(relay, caller);
    case "signal":
      return signal(relay, caller, request);
    case "uploadBlob":
      return uploadBlob(relay, caller, request);
    case "downloadBlob":
      return downloadBlob(relay, caller, request);
  }
}
