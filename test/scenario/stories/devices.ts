/** Stories about several devices of one account, and about what the relay says of it. */
import { decodeBase64Url, encodeBase64Url, recordReceiptLabel, signedBytes, type Signed } from "@tacit/protocol";
import { createPublicKey, verify } from "node:crypto";
import { accountRecordOf, certify, randomId, sha256 } from "../../../bench/rawDevice.ts";
import { anotherSocket, group, newcomer, person, type Scene, type Story } from "../stage.ts";

const textOf = (payload: string): string => Buffer.from(decodeBase64Url(payload)).toString("utf8");
const hashOf = ({ payload }: Signed): string => sha256(decodeBase64Url(payload));

/** The claims of a receipt that the key in KMS signed: the one whose id is an output of the deployment. */
function openReceipt(cloud: Scene, { payload, signature }: Signed): Record<string, unknown> {
  const der = cloud.publicKey(String(cloud.outputs["TacitData"]!["ReceiptKeyId"]));
  const key = createPublicKey({ key: der, format: "der", type: "spki" });
  const signedPart = signedBytes(recordReceiptLabel, decodeBase64Url(payload));
  expect(verify(null, signedPart, key, decodeBase64Url(signature))).toBe(true);
  const claims = JSON.parse(textOf(payload)) as Record<string, unknown>;
  expect(claims["key"]).toBe(key.export({ format: "jwk" }).x);
  return claims;
}

export const aReceipt: Story = async (cloud) => {
  const signatures = (): number => cloud.meter.snapshot().operations["kms:Sign"]?.requests ?? 0;
  const alice = await person(cloud, "alice");
  const bob = await person(cloud, "bob");
  const { account } = alice.identity;
  const first = (await bob.device.request("getAccount", { account })).ok!;
  expect(openReceipt(cloud, first.receipt)).toMatchObject({ account, version: 1, hash: hashOf(first.record) });

  // Signed once for each version, whoever asks, and however often.
  const before = signatures();
  expect((await alice.device.request("getAccount", { account })).ok).toEqual(first);
  expect(signatures()).toBe(before);
  const next = accountRecordOf(alice.identity, {
    version: 2,
    previous: hashOf(first.record),
    devices: [certify(alice.identity)],
  });
  const put = (await alice.device.request("putAccount", { record: next })).ok!;
  expect(openReceipt(cloud, put.receipt)).toMatchObject({ account, version: 2, hash: hashOf(next) });
  expect((await bob.device.request("getAccount", { account })).ok).toEqual({ record: next, receipt: put.receipt });
  expect(signatures()).toBe(before + 1);
};

/** While the key cannot be reached a record counts all the same, and whoever asks next has its receipt signed. */
export const aKeyOutOfReach: Story = async (cloud) => {
  const alice = await person(cloud, "alice");
  const { account } = alice.identity;
  const { record } = (await alice.device.request("getAccount", { account })).ok!;
  const next = accountRecordOf(alice.identity, {
    version: 2,
    previous: hashOf(record),
    devices: [certify(alice.identity)],
  });
  const isSign = ({ service, operation }: { service: string; operation: string }): boolean =>
    service === "kms" && operation === "Sign";
  const outage = cloud.faults.inject({ when: isSign, effect: { kind: "throttle" } });
  expect((await alice.device.request("putAccount", { record: next })).error).toMatchObject({ code: "internal" });
  // The client's own attempts, and no more: somebody waits.
  expect(outage.count).toBe(3);
  outage.remove();

  const passing = cloud.faults.inject({ when: isSign, effect: { kind: "throttle" }, times: 1 });
  const { record: found, receipt } = (await alice.device.request("getAccount", { account })).ok!;
  expect(passing.count).toBe(1);
  expect(found).toEqual(next);
  expect(openReceipt(cloud, receipt)).toMatchObject({ account, version: 2 });
};

export const aDeviceIsLinked: Story = async (cloud) => {
  const alice = await person(cloud, "alice");
  const { account, device: holder } = alice.identity;
  const phone = await newcomer(cloud, account);
  expect((await phone.device.request("hello", {})).ok?.scope).toBe("register");
  const sealed = (text: string): { readonly inline: string } => ({ inline: encodeBase64Url(Buffer.from(text)) });

  // The new device knows nobody but the account's devices; the holder is rung.
  const offer = { account, device: holder, message: randomId(), payload: sealed("offer") };
  expect((await phone.device.request("sendInbox", offer)).ok).toEqual({});
  await alice.device.push((push) => push.push === "inbox");
  // A lost answer, and it is sent again: there is one of it.
  expect((await phone.device.request("sendInbox", offer)).ok).toEqual({});
  const [received, ...more] = (await alice.device.request("readInbox", {})).ok!.items;
  expect(more).toEqual([]);
  expect(received).toMatchObject({
    kind: "message",
    account,
    device: phone.identity.device,
    payload: offer.payload,
  });
  expect((await alice.device.request("acknowledgeInbox", { ids: [received!.id] })).ok).toEqual({});
  expect((await alice.device.request("readInbox", {})).ok!.items).toEqual([]);

  // The holder certifies it, and answers.
  const { record } = (await alice.device.request("getAccount", { account })).ok!;
  const linked = accountRecordOf(alice.identity, {
    version: 2,
    previous: hashOf(record),
    devices: [certify(alice.identity), certify(alice.identity, phone.identity.deviceKey)],
  });
  expect((await alice.device.request("putAccount", { record: linked })).ok?.version).toBe(2);
  const answer = { account, device: phone.identity.device, message: randomId(), payload: sealed("welcome home") };
  expect((await alice.device.request("sendInbox", answer)).ok).toEqual({});
  expect((await phone.device.request("readInbox", {})).ok!.items).toMatchObject([
    { kind: "message", device: holder, payload: answer.payload },
  ]);
  const back = await anotherSocket(cloud, phone.identity);
  expect((await back.request("hello", {})).ok?.scope).toBe("full");

  // Bob reaches her devices once they share a conversation, and not before.
  const bob = await person(cloud, "bob");
  const note = { account, device: holder, message: randomId(), payload: sealed("hello") };
  expect((await bob.device.request("sendInbox", note)).error?.code).toBe("malformed");
  const strange = { ...note, conversation: `g-${randomId()}` };
  expect((await bob.device.request("sendInbox", strange)).error?.code).toBe("not_a_member");
  const shared = { ...note, conversation: await group([alice, bob]) };
  expect((await bob.device.request("sendInbox", shared)).ok).toEqual({});
  expect((await alice.device.request("readInbox", {})).ok!.items).toMatchObject([
    { kind: "message", account: bob.identity.account, payload: note.payload },
  ]);
};
