/** Stories about sockets: one per device, and the newer wins, in whatever order things finish. */
import {
  accountRecordOf,
  certify,
  deviceIdOf,
  newKey,
  openRaw,
  sha256,
  welcomeFrom,
} from "../../../bench/rawDevice.ts";
import { anotherSocket, group, message, person, type Story } from "../stage.ts";

export const twoSocketsOfOneDevice: Story = async (cloud) => {
  const alice = await person(cloud, "alice");
  const bob = await person(cloud, "bob");
  const conversation = await group([alice, bob]);

  const newer = await anotherSocket(cloud, bob.identity);
  expect((await newer.request("hello", {})).ok?.scope).toBe("full");
  await bob.device.push((push) => push.push === "bye" && push.code === "superseded");
  await bob.device.closed;

  await alice.device.request("append", { conversation, turn: 1, entries: [message("to the newer")] });
  await newer.push((push) => push.push === "entries");
};

export const twoConnectsThatFinishOutOfOrder: Story = async (cloud) => {
  const alice = await person(cloud, "alice");
  const bob = await person(cloud, "bob");
  const conversation = await group([alice, bob]);

  // The older socket says hello after the newer one has.
  const older = await anotherSocket(cloud, bob.identity);
  await cloud.advance(5);
  const newer = await anotherSocket(cloud, bob.identity);
  expect((await newer.request("hello", {})).ok?.scope).toBe("full");
  const late = await older.request("hello", {});
  expect(late.error?.code).toBe("superseded");
  await older.closed;

  await alice.device.request("append", { conversation, turn: 1, entries: [message("still rings")] });
  await newer.push((push) => push.push === "entries");
  expect((await newer.request("hello", {})).ok?.scope).toBe("full");
};

export const expiredToken: Story = async (cloud) => {
  const alice = await person(cloud, "alice");
  // A token that ends in a minute: the socket ends with it.
  const token = await cloud.token(alice.identity.account, { expiresIn: 60 });
  const short = await openRaw({ url: cloud.url, token, key: alice.identity.deviceKey, now: cloud.now() });
  const hello = await short.request("hello", {});
  expect(hello.ok!.leaseUntil).toBeLessThanOrEqual(cloud.now() + 60_000);
  await cloud.advance(61_000);
  expect((await short.request("countKeyPackages", {})).error?.code).toBe("lease_expired");
  await short.closed;

  // Shown again, the expired token gets an answer and the server's time, and no more.
  const again = await openRaw({ url: cloud.url, token, key: alice.identity.deviceKey, now: cloud.now() });
  const refused = await again.request("hello", {});
  expect(refused.error).toMatchObject({ code: "token_expired", retryable: true });
  expect(refused.error!.serverTime).toBeGreaterThan(0);
  await again.closed;
};

export const aLostDevice: Story = async (cloud) => {
  const alice = await person(cloud, "alice");
  const bob = await person(cloud, "bob");
  const { account } = alice.identity;
  const deviceKey = newKey();
  const phone = { ...alice.identity, deviceKey, device: deviceIdOf(deviceKey) };
  const own = certify(alice.identity);
  const first = (await alice.device.request("getAccount", { account })).ok!.record;
  const after = (record: typeof first) => sha256(Buffer.from(record.payload, "base64url"));
  const linked = accountRecordOf(alice.identity, {
    version: 2,
    previous: after(first),
    devices: [own, certify(alice.identity, deviceKey)],
  });
  expect((await alice.device.request("putAccount", { record: linked })).ok?.version).toBe(2);
  const lost = await anotherSocket(cloud, phone);
  expect((await lost.request("hello", {})).ok?.scope).toBe("full");
  await welcomeFrom(bob.device, { identity: phone, device: lost });
  await welcomeFrom(bob.device, alice);

  // Revoked, it is shown the door; on another socket, which it had opened before, nothing is to be had either.
  const silent = await anotherSocket(cloud, phone);
  const revoked = accountRecordOf(alice.identity, {
    version: 3,
    previous: after(linked),
    devices: [own],
    revoked: [phone.device],
  });
  expect((await alice.device.request("putAccount", { record: revoked })).ok?.version).toBe(3);
  await lost.push((push) => push.push === "bye" && push.code === "device_revoked");
  await lost.closed;
  const conversation = await group([bob, alice]);
  const append = { conversation, turn: 1, entries: [message("from a thief")] };
  expect((await silent.request("append", append)).error?.code).toBe("not_registered");
  expect((await silent.request("hello", {})).error?.code).toBe("device_revoked");
  await silent.closed;
};
