/** Stories about backups: one for each account, there until it is replaced. */
import { encodeBase64Url, type Request } from "@tacit/protocol";
import { randomBytes } from "node:crypto";
import { sha256, type RawDevice } from "../../../bench/rawDevice.ts";
import { anotherSocket, newcomer, person, type Story } from "../stage.ts";

const day = 24 * 60 * 60_000;

/** Uploads bytes that stand for a sealed part of a backup. */
async function upload(device: RawDevice): Promise<{ readonly hash: string; readonly size: number; body: Buffer }> {
  const body = randomBytes(40_000);
  const blob = { hash: sha256(body), size: body.length };
  const { url, headers } = (await device.request("uploadBlob", blob)).ok!;
  expect((await fetch(url, { method: "PUT", headers, body: new Uint8Array(body) })).ok).toBe(true);
  return { ...blob, body };
}

async function download(device: RawDevice, hash: string): Promise<Buffer> {
  const { url } = (await device.request("downloadBlob", { hash, backup: true })).ok!;
  return Buffer.from(await (await fetch(url)).arrayBuffer());
}

export const aBackup: Story = async (cloud) => {
  const alice = await person(cloud, "alice");
  const manifest = (text: string): string => encodeBase64Url(Buffer.from(text));
  const keys = (): readonly string[] => cloud.bucketObjects().map(({ key }) => key);
  const [contacts, history] = [await upload(alice.device), await upload(alice.device)];
  const reference = ({ hash, size }: typeof contacts) => ({ hash, size });

  expect((await alice.device.request("getBackup", {})).ok).toEqual({ version: 0 });
  const first: Request<"putBackup"> = {
    expected: 0,
    manifest: manifest("first"),
    blobs: [contacts, history].map(reference),
  };
  expect((await alice.device.request("putBackup", first)).ok).toEqual({ version: 1 });
  // A repetition after a lost answer is the same backup; another on the same version is none.
  expect((await alice.device.request("putBackup", first)).ok).toEqual({ version: 1 });
  const other = { ...first, manifest: manifest("other") };
  expect((await alice.device.request("putBackup", other)).error?.code).toBe("record_conflict");

  // It outlives the uploads by years.
  for (let i = 0; i < 4; i++) await cloud.advance(365 * day);
  expect(keys().filter((key) => key.includes(contacts.hash))).toEqual([
    expect.stringMatching(new RegExp(`^backup/[\\w-]{43}/${contacts.hash}$`)),
  ]);
  const device = await anotherSocket(cloud, alice.identity);
  expect((await device.request("hello", {})).ok?.scope).toBe("full");
  expect((await device.request("getBackup", {})).ok).toMatchObject({
    version: 1,
    manifest: first.manifest,
    blobs: first.blobs,
  });
  expect((await download(device, contacts.hash)).equals(contacts.body)).toBe(true);

  // A device without a certificate, which may know the recovery code, gets it; another account does not.
  const fresh = await newcomer(cloud, alice.identity.account);
  expect((await fresh.device.request("getBackup", {})).ok).toMatchObject({ version: 1, manifest: first.manifest });
  expect((await download(fresh.device, history.hash)).equals(history.body)).toBe(true);
  const bob = await person(cloud, "bob");
  const stolen = await bob.device.request("downloadBlob", { hash: history.hash, backup: true });
  expect(stolen.error?.code).toBe("blob_missing");

  // The next one replaces it: what it names no more is deleted, and after a day its last version is gone too.
  const newer = await upload(device);
  const second = { expected: 1, manifest: manifest("second"), blobs: [contacts, newer].map(reference) };
  expect((await device.request("putBackup", second)).ok).toEqual({ version: 2 });
  const gone = await device.request("downloadBlob", { hash: history.hash, backup: true });
  expect(gone.error?.code).toBe("blob_missing");
  expect((await download(device, newer.hash)).equals(newer.body)).toBe(true);
  for (let i = 0; i < 4; i++) await cloud.advance(day);
  const own = keys().filter((key) => [contacts, history, newer].some(({ hash }) => key.includes(hash)));
  expect(own).toHaveLength(2);
  for (const { hash } of [contacts, newer]) {
    expect(own).toContainEqual(expect.stringMatching(new RegExp(`^backup/[\\w-]{43}/${hash}$`)));
  }
};
