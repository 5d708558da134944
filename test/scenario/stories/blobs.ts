/** Stories about what is too large for a frame, and about Welcomes. */
import { randomBytes } from "node:crypto";
import { keyPackageFrom, openRaw, randomId, sha256 } from "../../../bench/rawDevice.ts";
import { group, message, opaque, person, readAll, type Story } from "../stage.ts";

export const aBlob: Story = async (cloud) => {
  const alice = await person(cloud, "alice");
  const bob = await person(cloud, "bob");
  const conversation = await group([alice, bob]);
  const body = randomBytes(100_000);
  const blob = { hash: sha256(body), size: body.length };
  const entry = { id: randomId(), payload: { blob } };
  const append = () => alice.device.request("append", { conversation, turn: 1, entries: [entry] });

  // Nothing may refer to what is not there.
  expect((await append()).error?.code).toBe("blob_missing");

  // The URL takes these bytes and no others: neither another content nor another length.
  const upload = (await alice.device.request("uploadBlob", blob)).ok!;
  const put = (content: Buffer, headers = upload.headers) =>
    fetch(upload.url, { method: "PUT", headers, body: new Uint8Array(content) });
  expect((await put(randomBytes(body.length))).ok).toBe(false);
  expect((await put(body.subarray(1))).ok).toBe(false);
  expect((await put(body)).ok).toBe(true);
  expect((await append()).ok?.accepted).toHaveLength(1);

  // A day later the upload is gone, after another its last version too; and what was kept is there.
  for (let day = 0; day < 4; day++) await cloud.advance(24 * 60 * 60_000);
  const again = await person(cloud, "carol");
  const { url } = (await again.device.request("downloadBlob", { hash: blob.hash })).ok!;
  expect(Buffer.from(await (await fetch(url)).arrayBuffer()).equals(body)).toBe(true);
  expect(cloud.bucketObjects().map(({ key }) => key)).toEqual([`kept/${blob.hash}`]);

  // Without a signature there is nothing to be had, and another size is not what was signed for.
  expect((await fetch(url.split("?")[0]!)).status).toBe(403);
  const lied = await again.device.request("uploadBlob", { hash: blob.hash, size: body.length + 1 });
  expect((await fetch(lied.ok!.url, { method: "PUT", headers: lied.ok!.headers, body })).ok).toBe(false);
};

export const aWelcome: Story = async (cloud) => {
  const alice = await person(cloud, "alice");
  const bob = await person(cloud, "bob");
  const one = await keyPackageFrom(bob.device, new Uint8Array(300).fill(1));
  const lastResort = await keyPackageFrom(bob.device, new Uint8Array(300).fill(2));
  await bob.device.request("publishKeyPackages", { keyPackages: [one], lastResort });
  expect((await bob.device.request("countKeyPackages", {})).ok).toEqual({ count: 1, lastResort: true });
  const claim = async () =>
    (await alice.device.request("claimKeyPackages", { account: bob.identity.account })).ok!.keyPackages[0]!;
  const single = await claim();
  expect(single).toMatchObject({ hash: one.hash, data: one.data, lastResort: false });
  // The last-resort one is given out again and again.
  expect([(await claim()).lastResort, (await claim()).lastResort]).toEqual([true, true]);

  // Claimed is not yet welcomed: the inbox looks empty.
  expect((await bob.device.request("readInbox", {})).ok!.items).toEqual([]);
  const create = {
    conversation: `g-${randomId()}`,
    entry: randomId(),
    payload: opaque("commit"),
    welcomes: [{ device: bob.identity.device, claim: single.claim, payload: opaque("welcome", 900) }],
    blobs: [],
    roster: [alice.identity.account, bob.identity.account],
    generation: 0,
  };
  expect((await alice.device.request("createConversation", create)).ok?.turn).toBe(0);
  await bob.device.push((push) => push.push === "inbox");
  const { items } = (await bob.device.request("readInbox", {})).ok!;
  expect(items).toHaveLength(1);
  expect(items[0]).toMatchObject({
    kind: "welcome",
    conversation: create.conversation,
    seq: 1,
    turn: 1,
    keyPackage: single.hash,
  });

  // It stays until it is acknowledged, and a claim serves once.
  expect((await bob.device.request("readInbox", {})).ok!.items).toEqual(items);
  const twice = await alice.device.request("createConversation", {
    ...create,
    conversation: `g-${randomId()}`,
    entry: randomId(),
  });
  expect(twice.error?.code).toBe("key_package_not_claimed");
  expect((await bob.device.request("acknowledgeInbox", { ids: [items[0]!.id] })).ok).toEqual({});
  expect((await bob.device.request("acknowledgeInbox", { ids: [items[0]!.id] })).ok).toEqual({});
  expect((await bob.device.request("readInbox", {})).ok!.items).toEqual([]);
  expect(await readAll(bob.device, create.conversation)).toHaveLength(1);
};

export const aQuietYear: Story = async (cloud) => {
  const alice = await person(cloud, "alice");
  const conversation = await group([alice]);
  await alice.device.request("append", { conversation, turn: 1, entries: [message("old 1"), message("old 2")] });
  // Everything expires; the log goes on above every seq that it ever gave out, in the turn it was in.
  await cloud.advance(200 * 24 * 60 * 60_000);
  const back = await person(cloud, "alice2");
  expect((await back.device.request("read", { conversation, after: 0 })).error?.code).toBe("not_a_member");
  const token = await cloud.token(alice.identity.account);
  const device = await openRaw({ url: cloud.url, token, key: alice.identity.deviceKey, now: cloud.now() });
  await device.request("hello", {});
  expect((await device.request("append", { conversation, turn: 0, entries: [message("stale")] })).error?.code).toBe(
    "stale",
  );
  const landed = (await device.request("append", { conversation, turn: 1, entries: [message("new")] })).ok!
    .accepted[0]!;
  expect(landed.seq).toBeGreaterThan(3);
  const [entry] = await readAll(device, conversation);
  expect(entry!.prev).toBeGreaterThan(3 - 1);
  await device.close();
};
