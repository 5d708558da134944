/** Somebody who has an account and follows no rules: talks to the relay by hand, and makes the groups that a client never would. */
import {
  cipherSuites,
  createCommit,
  createGroup,
  decodeKeyPackage,
  decodeKeyPackagePrivate,
  getCipherSuite,
} from "@tacit/mls";
import { nodeProvider } from "@tacit/mls/providers/node";
import { decodeBase64Url, encodeBase64Url } from "@tacit/protocol";
import { openRelaySocket, type RelaySocket } from "../../../client/src/connection/relaySocket.ts";
import { authentication } from "../../../client/src/session/group/authenticate.ts";
import { createKeyPackage, lastSecondOf, type Member } from "../../../client/src/session/group/member.ts";
import { createIdentity, enrol } from "../../../client/src/session/identity/identity.ts";
import { createRepairRequest } from "../../../client/src/session/repair/repairRequest.ts";
import { connectProtocols } from "../../../client/src/session/identity/proof.ts";
import { dataExtensionOf } from "./groupExtension.ts";
import type { Stage } from "./stage.ts";

const provider = nodeProvider();
const suite = getCipherSuite(cipherSuites.MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519, provider);
const crypto = { provider, suite };

export interface Stranger {
  readonly socket: RelaySocket;
  readonly member: Member;
  /** What its device signs requests with. */
  readonly signer: Parameters<typeof createRepairRequest>[1];
}

/** Registers `account` with one device. `as`: whose MLS signature key it has. */
export async function stranger(
  { clock, relay }: Stage,
  account: string,
  { as }: { readonly as?: Stranger } = {},
): Promise<Stranger> {
  const created = await createIdentity(crypto);
  const identity =
    as === undefined ? created : { ...created, signatureKeys: new Map([[suite.id, as.member.signatureKey]]) };
  const { deviceKey } = identity;
  const open = async (): Promise<RelaySocket> => {
    const { url, transport } = relay;
    const token = relay.token(account)();
    const protocols = await connectProtocols(provider, { url, token, deviceKey, now: clock.now() });
    const { signal } = new AbortController();
    const opening = openRelaySocket({ transport, clock, url, protocols, signal, push: () => {}, closed: () => {} });
    const socket = await clock.until(opening);
    await clock.until(socket.request("hello", {}));
    return socket;
  };
  const first = await open();
  const { enrolment } = await enrol(provider, identity, account, clock.now());
  await clock.until(first.request("putAccount", { record: enrolment.record }));
  first.close();
  const member = { certificate: enrolment.certificate, signatureKey: identity.signatureKeys.get(suite.id)! };
  const signer = { certificate: enrolment.certificate, deviceKey };
  return { socket: await open(), member, signer };
}

/** Lets others invite the stranger, who will not read any Welcome. `isForged`: its signature does not hold. */
export async function publishKeyPackage(
  { clock }: Stage,
  { socket, member }: Stranger,
  { isForged = false } = {},
): Promise<void> {
  const { bytes } = await createKeyPackage(crypto, member, { now: clock.now(), lastResort: false });
  if (isForged) bytes[bytes.length - 1]! ^= 1;
  const hash = encodeBase64Url(provider.hashes["SHA-256"].digest(bytes));
  const keyPackage = { hash, data: encodeBase64Url(bytes), notAfter: lastSecondOf(clock.now()) };
  await clock.until(socket.request("publishKeyPackages", { keyPackages: [keyPackage] }));
}

/** Asks one device to put the stranger's in anew. */
export async function askForRepair(
  { clock }: Stage,
  { socket, signer }: Stranger,
  {
    account,
    device,
    conversation,
  }: { readonly account: string; readonly device: string; readonly conversation: string },
): Promise<void> {
  const bytes = await createRepairRequest(provider, signer, { conversation, at: clock.now(), log: undefined });
  const message = encodeBase64Url(provider.random(16));
  const payload = { inline: encodeBase64Url(bytes) };
  await clock.until(socket.request("sendInbox", { account, device, conversation, message, payload }));
}

/** Invites `victim` into a group whose MLS group id is `groupId`. */
export async function invite(
  { clock }: Stage,
  { socket, member }: Stranger,
  invitation: {
    readonly from: string;
    readonly victim: string;
    readonly groupId: Uint8Array;
    /** Default: any. */
    readonly conversation?: string;
    /** What the group says of itself. */
    readonly data?: Parameters<typeof dataExtensionOf>[0];
  },
): Promise<void> {
  const { from, victim, groupId, conversation, data: said } = invitation;
  const now = clock.now();
  const { keyPackages } = await clock.until(socket.request("claimKeyPackages", { account: victim }));
  const { device, claim, data } = keyPackages[0]!;
  const own = await createKeyPackage(crypto, member, { now, lastResort: false });
  const alone = await createGroup({
    suite,
    groupId,
    keyPackage: decodeKeyPackage(own.bytes),
    privateKeys: decodeKeyPackagePrivate(own.privateKeys),
    extensions: [dataExtensionOf({ owners: [from], ...said })],
    authentication: authentication(crypto),
  });
  const made = await createCommit(alone, {
    authentication: authentication(crypto),
    forcePath: true,
    welcome: "separate",
    ratchetTreeInWelcome: true,
    proposals: [{ type: "add", keyPackage: decodeKeyPackage(decodeBase64Url(data)) }],
    lifetime: { now: BigInt(Math.floor(now / 1000)) },
  });
  const id = (): string => encodeBase64Url(provider.random(16));
  const landing = socket.request("createConversation", {
    conversation: conversation ?? `g-${id()}`,
    entry: id(),
    payload: { inline: encodeBase64Url(made.commit) },
    welcomes: [{ device, claim, payload: { inline: encodeBase64Url(made.welcomes[0]!.bytes) } }],
    blobs: [],
    roster: [from, victim],
    generation: 0,
  });
  await clock.until(landing);
}
