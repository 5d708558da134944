/**
 * "Put me in anew": what a device that cannot follow a conversation sends to the inboxes of others. UTF-8 JSON
 *
 *     { "v": 1, "kind": "repair", "certificate": { payload, signature }, "body", "signature" }
 *     body = base64url of UTF-8 JSON { "conversation": log, "at": milliseconds, "log"?: { "seq", "hash" }, "successor"?: log }
 *     signature = Ed25519 by the device key, over "tacit repair request 1" 0x00 body
 *
 * `log` is there where the device follows the conversation and doubts that it is where the others are: how it read the log up to there.
 * `successor`: one that it was invited to by somebody whom it does not follow; whoever is there takes it along.
 *
 * It is in clear: the relay sees anyway which device asks whom. It grants nothing that the device does not have: it is put in anew where a
 * leaf of it is in, and a leaf of it only; an account under a new key where it proves by the former one that it is the same.
 */
import type { KeyPair } from "@tacit/mls";
import {
  conversationId,
  decodeBase64Url,
  deviceCertificate,
  encodeBase64Url,
  signedBytes,
  signedDeviceCertificate,
  type DeviceCertificate,
  type Signed,
} from "@tacit/protocol";
import { isCount, parseJson, utf8 } from "../bytes.ts";
import { verifyCertificate } from "../identity/certificate.ts";
import { logDiffers } from "../reading/logChain.ts";
import { decodeMark, type LogMark } from "../content.ts";
import type { ConversationState, RecentEntry } from "../conversation.ts";
import type { CryptoProvider } from "../cryptoContext.ts";
import { leavesOf } from "../group/group.ts";
import { parse } from "../parse.ts";
import { isReadmitted, mayReadmit } from "./readmissions.ts";

const label = "tacit repair request 1";
const day = 86_400_000;
/** A device that was away asks those who are away. */
const requestLife = 7 * day;
/** Clocks differ. */
const leeway = 3_600_000;

export interface RepairRequest {
  readonly conversation: string;
  readonly at: number;
  /** How it read the log, where it does not know that it cannot follow. */
  readonly log: LogMark | undefined;
  /** One that it does not follow to, and others may be in. */
  readonly successor?: string | undefined;
  /** Whose device asks, as its certificate says. */
  readonly certificate: DeviceCertificate;
}

export async function createRepairRequest(
  provider: CryptoProvider,
  { certificate, deviceKey }: { readonly certificate: Signed; readonly deviceKey: KeyPair },
  { conversation, at, log, successor }: Omit<RepairRequest, "certificate">,
): Promise<Uint8Array> {
  const body = utf8(JSON.stringify({ conversation, at, log, successor }));
  const signature = await provider.signatures.Ed25519.sign(deviceKey.privateKey, signedBytes(label, body));
  const { payload, signature: certified } = certificate;
  return utf8(
    JSON.stringify({
      v: 1,
      kind: "repair",
      certificate: { payload, signature: certified },
      body: encodeBase64Url(body),
      signature: encodeBase64Url(signature),
    }),
  );
}

/** Undefined where it is none, or not signed by the device that it names. */
export async function openRepairRequest(
  provider: CryptoProvider,
  bytes: Uint8Array,
): Promise<RepairRequest | undefined> {
  const message = parseJson(bytes);
  if (message?.["v"] !== 1 || message["kind"] !== "repair") return undefined;
  const signed = parse(signedDeviceCertificate, message["certificate"]);
  const { body: text, signature: signatureText } = message;
  if (signed === undefined || typeof text !== "string" || typeof signatureText !== "string") return undefined;
  const certificate = parse(deviceCertificate, parseJson(decodeBase64Url(signed.payload)));
  if (certificate === undefined) return undefined;
  let body: Uint8Array;
  let signature: Uint8Array;
  try {
    body = decodeBase64Url(text);
    signature = decodeBase64Url(signatureText);
  } catch {
    return undefined;
  }
  const key = decodeBase64Url(certificate.deviceKey);
  const isAuthentic =
    (await verifyCertificate(provider, signed, certificate)) &&
    (await provider.signatures.Ed25519.verify(key, signedBytes(label, body), signature));
  const request = isAuthentic ? parseJson(body) : undefined;
  const conversation = parse(conversationId, request?.["conversation"]);
  const at = request?.["at"];
  const log = decodeMark(request?.["log"]);
  const successor = parse(conversationId, request?.["successor"]);
  if (conversation === undefined || !isCount(at) || (request?.["log"] !== undefined && log === undefined))
    return undefined;
  return { conversation, at, log, successor, certificate };
}

/** Whether this device may, and need, put the asking one in anew at `now`. `state`: of the conversation that is, or was, in the log asked for. */
export function isToBeReadmitted(
  state: ConversationState,
  { conversation, at, certificate, log, successor }: RepairRequest,
  own: { readonly account: string; readonly device: string },
  now: number,
): boolean {
  if (state.phase !== "open" || state.group === undefined || state.requestBy !== undefined) return false;
  if (certificate.device === own.device || at > now + leeway || at < now - requestLife) return false;
  // Only who may invite takes it back, and wants that.
  if (state.suspended.includes(certificate.account)) return false;
  const { account, device, accountKey, rotations = [] } = certificate;
  const leaves = leavesOf(state.group).filter(({ identity }) => identity.account === account);
  const isKnown = leaves.some(({ identity }) => identity.device === device && identity.accountKey === accountKey);
  const isSuccessor = leaves.some(({ identity }) => rotations.some(({ from }) => from === identity.accountKey));
  // Another device under the same key is for its own account to bring in.
  const isPeerAnew =
    state.log.startsWith("d-") &&
    account !== own.account &&
    leaves.length > 0 &&
    leaves.every(({ identity }) => identity.accountKey !== accountKey && !identity.formerKeys.includes(accountKey));
  if (!isKnown && !isSuccessor && !isPeerAnew) return false;
  // The relay can show an old request again.
  const isDone = isReadmitted(state, device, at);
  const isUnderWay = state.intents.some((intent) => intent.kind === "readmit" && intent.device === device);
  // Who only doubts goes on, where it is. Whoever was lost before this log began was taken along, unless it says that it did not follow.
  const isLost = conversation === state.log ? log === undefined || isElsewhere(state, log) : successor === state.log;
  return isLost && !isDone && !isUnderWay && mayReadmit(state, { device, by: own.account }, now);
}

/** Read by whoever was not shown any of the entries that could be compared. */
const beyond: RecentEntry = { seq: Infinity, hash: "", chain: undefined, afterGap: true };

/** Whether a device that read the log so is elsewhere than this one; false where this one cannot tell. */
function isElsewhere(state: ConversationState, mark: LogMark): boolean {
  return mark.seq <= state.cursor && logDiffers(state, mark, beyond);
}
