/** What a modified client can make: certificates, groups and Welcomes that no client of ours would. */
import { createCommit, createGroup, decodeKeyPackage, decodeKeyPackagePrivate, type KeyPair } from "@tacit/mls";
import { deviceCertificateLabel, encodeBase64Url } from "@tacit/protocol";
import { sign } from "../../../client/src/session/identity/accountRecord.ts";
import { authentication } from "../../../client/src/session/group/authenticate.ts";
import { encodeCommitData } from "../../../client/src/session/reading/commitData.ts";
import {
  newConversation,
  type ConversationState,
  type SessionContext,
} from "../../../client/src/session/conversation.ts";
import { plainData, type GroupData } from "../../../client/src/session/group/groupData.ts";
import { createIdentity } from "../../../client/src/session/identity/identity.ts";
import type { Invitation } from "../../../client/src/session/joining/invitation.ts";
import { createPending } from "../../../client/src/session/pendingCommit.ts";
import { apply, device, joinByWelcome, keyPackageOf, now, provider, suite, TestLog } from "./devices.ts";
import { dataExtensionOf } from "./groupExtension.ts";

export async function accountKey(): Promise<KeyPair> {
  return provider.signatures.Ed25519.generate();
}

/** A device that `key` certifies: one more of the same account for each call. */
export async function deviceUnder(key: KeyPair, account: string): Promise<SessionContext> {
  const { device: id, deviceKey, signatureKeys } = await createIdentity({ provider, suite });
  const signatureKey = signatureKeys.get(suite.id)!;
  const certificate = await sign(provider, deviceCertificateLabel, key, {
    account,
    accountKey: encodeBase64Url(key.publicKey),
    device: id,
    deviceKey: encodeBase64Url(deviceKey.publicKey),
    signatureKeys: { [String(suite.id)]: encodeBase64Url(signatureKey.publicKey) },
    issuedAt: now,
  });
  return { ...(await device(account)), device: id, member: { certificate, signatureKey } };
}

export interface Party {
  readonly log: TestLog;
  readonly states: readonly ConversationState[];
}

/** A group that the first device created with all others, who have joined. */
export async function party(
  devices: readonly SessionContext[],
  data: Partial<GroupData> = {},
  id = `g-${"P".repeat(22)}`,
): Promise<Party> {
  const [first, ...others] = devices as [SessionContext, ...SessionContext[]];
  const fresh = newConversation(
    id,
    devices.map(({ account }) => account),
    { ...plainData, owners: id.startsWith("g-") ? [first.account] : [], ...data },
  );
  const keyPackages = await Promise.all(others.map(keyPackageOf));
  const claimed = others.map(({ account, device: of }, index) => {
    return { account, device: of, claim: `c${index}`, keyPackage: keyPackages[index]!.bytes };
  });
  const log = new TestLog();
  const { state } = await createPending(first, fresh, claimed, now);
  const { commit, add, welcomes } = state.pending!;
  log.commit(commit, first.account, { add: [...add] });
  const states = [(await apply(first, state, log.entries)).state];
  for (const [index, other] of others.entries()) {
    const { welcome } = welcomes[index]!;
    const keyPackage = keyPackages[index]!;
    const joined = await joinByWelcome(other, undefined, {
      conversation: id,
      seq: 1,
      turn: 1,
      at: now,
      welcome,
      keyPackage,
    });
    if (joined.kind !== "joined") throw new Error(joined.kind);
    states.push((await apply(other, joined.step.state, log.entries)).state);
  }
  return { log, states };
}

/** A Welcome for `to` to a group that `by` made up alone: of any name, with whomever, as many epochs old as it should be. */
export async function forgedInvitation(
  by: SessionContext,
  to: SessionContext,
  forged: {
    readonly id: string;
    readonly with?: readonly SessionContext[];
    readonly data?: Partial<GroupData>;
    readonly epochs?: number;
    readonly seq?: number;
    readonly turn?: number;
  },
): Promise<Invitation> {
  const { id, epochs = 1, seq = 1, turn = 1 } = forged;
  const own = await keyPackageOf(by);
  let group = await createGroup({
    suite,
    groupId: new TextEncoder().encode(id),
    keyPackage: decodeKeyPackage(own.bytes),
    privateKeys: decodeKeyPackagePrivate(own.privateKeys),
    extensions: [dataExtensionOf({ ...(id.startsWith("g-") ? { owners: [by.account] } : {}), ...forged.data })],
    authentication: authentication(by),
  });
  const options = {
    authentication: authentication(by),
    forcePath: true,
    authenticatedData: encodeCommitData({ turn: turn - 1, add: [], remove: [], blobs: [], log: undefined }),
  };
  for (let epoch = 1; epoch < epochs; epoch++) group = (await createCommit(group, options)).next;
  const keyPackage = await keyPackageOf(to);
  const others = await Promise.all((forged.with ?? []).map(keyPackageOf));
  const { welcomes } = await createCommit(group, {
    ...options,
    proposals: [keyPackage, ...others].map(({ bytes }) => ({ type: "add", keyPackage: decodeKeyPackage(bytes) })),
    welcome: "separate",
    ratchetTreeInWelcome: true,
  });
  return { conversation: id, seq, turn, at: now, welcome: welcomes[0]!.bytes, tree: undefined, keyPackage };
}
