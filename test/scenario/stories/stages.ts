/** Stories about Welcomes that wait for their commit, and about an account that goes on under another key. */
import { sign } from "node:crypto";
import { accountRotationLabel, accountRotationText, signedBytes } from "@tacit/protocol";
import { accountRecordOf, certify, newKey, randomId, sha256, welcomeFrom } from "../../../bench/rawDevice.ts";
import { anotherSocket, group, newcomer, opaque, person, type Story } from "../stage.ts";

export const stagedWelcomes: Story = async (cloud) => {
  const [alice, bob] = [await person(cloud, "alice"), await person(cloud, "bob")];
  const guests = [await person(cloud, "carol"), await person(cloud, "dave"), await person(cloud, "erin")];
  const add = guests.map(({ identity }) => identity.account);
  const conversation = await group([alice, bob]);
  const welcomes = await Promise.all(guests.map((guest) => welcomeFrom(alice.device, guest)));
  const [first, second] = [randomId(), randomId()];
  const stage = async (entry: string, some = welcomes) =>
    alice.device.request("stageWelcomes", { conversation, entry, welcomes: some });
  const commit = { conversation, after: 1, payload: opaque("commit"), welcomes: [], blobs: [], add: [], remove: [] };
  const unseen = async (): Promise<void> => {
    for (const { device } of guests) expect((await device.request("readInbox", {})).ok?.items).toEqual([]);
  };

  expect((await stage(first, welcomes.slice(0, 2))).ok).toEqual({});
  expect((await stage(first, welcomes.slice(2))).ok).toEqual({});
  await unseen();
  // Bob is faster, and alice stages the same claims anew.
  expect((await bob.device.request("commit", { ...commit, entry: randomId(), turn: 1 })).ok).toBeDefined();
  const lost = { ...commit, entry: first, turn: 1, add, staged: true as const };
  expect((await alice.device.request("commit", lost)).error?.code).toBe("stale");
  await unseen();
  expect((await stage(second)).ok).toEqual({});
  const late = await alice.device.request("commit", { ...lost, turn: 2 });
  expect(late.error?.code).toBe("key_package_not_claimed");
  // Bob does not land with what is alice's.
  const foreign = await bob.device.request("commit", { ...lost, turn: 2, entry: second });
  expect(foreign.error?.code).toBe("key_package_not_claimed");

  const landing = { ...lost, entry: second, turn: 2 };
  const landed = (await alice.device.request("commit", landing)).ok!;
  expect((await alice.device.request("commit", landing)).ok).toEqual(landed);
  for (const [i, { device }] of guests.entries()) {
    await device.push(({ push }) => push === "inbox");
    const { claim, payload } = welcomes[i]!;
    const { items } = (await device.request("readInbox", {})).ok!;
    expect(items).toMatchObject([{ kind: "welcome", id: claim, conversation, seq: landed.seq, turn: 3, payload }]);
    expect((await device.request("acknowledgeInbox", { ids: [claim] })).ok).toEqual({});
  }
  await unseen();
};

export const anotherAccountKey: Story = async (cloud) => {
  const alice = await person(cloud, "alice");
  const { account, accountKey } = alice.identity;
  const fresh = await newcomer(cloud, account);
  expect((await fresh.device.request("hello", {})).ok?.scope).toBe("register");
  const current = (await fresh.device.request("getAccount", { account })).ok!;

  const key = newKey();
  const text = Buffer.from(accountRotationText(account, accountKey.x, key.x));
  const signature = sign(null, signedBytes(accountRotationLabel, text), accountKey.privateKey).toString("base64url");
  const rotations = [{ from: accountKey.x, signature }];
  const next = { ...fresh.identity, accountKey: key };
  const record = accountRecordOf(next, {
    version: 2,
    previous: sha256(Buffer.from(current.record.payload, "base64url")),
    devices: [certify(next, next.deviceKey, { rotations })],
    revoked: [alice.identity.device],
    rotations,
  });
  // A thief with a token alone says the same with a key of its own.
  const thief = await newcomer(cloud, account);
  const forged = accountRecordOf({ ...thief.identity, accountKey: newKey() }, { version: 2, rotations });
  expect((await thief.device.request("putAccount", { record: forged })).error?.code).toBe("record_invalid");

  const put = (await fresh.device.request("putAccount", { record })).ok!;
  expect(put.version).toBe(2);
  expect(put.receipt).not.toEqual(current.receipt);
  // Who was in is out, at once.
  await alice.device.push((push) => push.push === "bye" && push.code === "device_revoked");
  await alice.device.closed;
  const back = await anotherSocket(cloud, next);
  expect((await back.request("hello", {})).ok?.scope).toBe("full");
  expect((await back.request("getAccount", { account })).ok).toEqual({ record, receipt: put.receipt });
};
