/** Backups: one for each account, followed version by version, with the blobs that it names and no others. */
import { limits, type Request } from "@tacit/protocol";
import { deviceIdOf, newKey, sha256 } from "../../bench/rawDevice.ts";
import { folderOf } from "../../lambdas/adapters/s3Blobs.ts";
import { ask, newStage, payload, person, sibling, socketOf, type Device, type Stage } from "./stage.ts";

const second = 1_000;
const size = 10;

async function setting() {
  const stage = newStage();
  const alice = await person(stage, "alice");
  return { stage, alice };
}

function upload(stage: Stage, ...contents: readonly string[]) {
  return contents.map((content) => {
    const hash = sha256(content);
    stage.memory.tables.blobs.set(`staging/${hash}`, { size, modified: stage.now });
    return { hash, size };
  });
}
/** Uploads expire. */
function expireUploads({ memory }: Stage): void {
  for (const name of memory.tables.blobs.keys()) if (name.startsWith("staging/")) memory.tables.blobs.delete(name);
}
const stored = ({ memory }: Stage, account: string): readonly string[] => {
  const folder = `${folderOf({ backupOf: account })}/`;
  return [...memory.tables.blobs.keys()].flatMap((name) =>
    name.startsWith(folder) ? [name.slice(folder.length)] : [],
  );
};
const put = (device: Device, expected: number, blobs: Request<"putBackup">["blobs"] = [], fill = expected) =>
  ask(device, "putBackup", { expected, manifest: payload(fill).inline, blobs });
const get = async (device: Device) => (await ask(device, "getBackup", {})).ok!;

test("put, found again, replaced; a repetition says the same", async () => {
  const { stage, alice } = await setting();
  expect(await get(alice)).toEqual({ version: 0 });
  const [one, two, three] = upload(stage, "one", "two", "three");
  expect((await put(alice, 0, [one!, two!])).ok).toEqual({ version: 1 });
  expect((await put(alice, 0, [one!, two!])).ok).toEqual({ version: 1 });
  expireUploads(stage);
  expect(await get(alice)).toEqual({ version: 1, at: stage.now, manifest: payload(0).inline, blobs: [one, two] });
  expect(stored(stage, "alice")).toEqual([one!.hash, two!.hash]);

  upload(stage, "three");
  expect((await put(alice, 1, [two!, three!])).ok).toEqual({ version: 2 });
  expect((await put(alice, 1, [two!, three!])).ok).toEqual({ version: 2 });
  expect(stored(stage, "alice")).toEqual([two!.hash, three!.hash]);
  expect(await get(alice)).toMatchObject({ version: 2, blobs: [two, three] });
});

test("of two devices that replace it at once one does, and the other learns it", async () => {
  const { stage, alice } = await setting();
  const tablet = await sibling(alice);
  await put(alice, 0);
  const outcomes = await Promise.all([put(alice, 1, [], 5), put(tablet, 1, [], 6)]);
  expect(outcomes.filter(({ ok }) => ok)).toHaveLength(1);
  expect(outcomes.find(({ error }) => error)?.error?.code).toBe("record_conflict");
  expect((await put(tablet, 5)).error?.code).toBe("record_conflict");
  expect((await put(tablet, 0)).error?.code).toBe("record_conflict");
  expect((await get(alice)).version).toBe(2);
  expect(stage.memory.unexpected).toEqual([]);
});

test("a blob that was not uploaded, or of another size, or named twice", async () => {
  const { stage, alice } = await setting();
  const [one] = upload(stage, "one");
  expect((await put(alice, 0, [{ hash: sha256("none"), size }])).error?.code).toBe("blob_missing");
  expect((await put(alice, 0, [{ ...one!, size: 11 }])).error?.code).toBe("blob_missing");
  expect((await put(alice, 0, [one!, one!])).error?.code).toBe("malformed");
  expect(await get(alice)).toEqual({ version: 0 });
});

describe("a blob that is named again", () => {
  test("waits until no deletion of it can be under way, and then is there", async () => {
    const { stage, alice } = await setting();
    const [one] = upload(stage, "one");
    await put(alice, 0, [one!]);
    // The function that replaces it is slow: it deletes when all else is done.
    const { blobs } = stage.relay;
    const held: (() => Promise<void>)[] = [];
    const remove: typeof blobs.remove = (...args) =>
      new Promise<void>((resolve) => held.push(() => blobs.remove(...args).then(resolve)));
    const slow = { ...alice, stage: { ...stage, relay: { ...stage.relay, blobs: { ...blobs, remove } } } };
    const replacing = put(slow, 1);
    await new Promise(setImmediate);
    expect((await get(alice)).version).toBe(2);
    const { error } = await put(alice, 2, [one!]);
    expect(error).toMatchObject({ code: "busy", retryable: true });
    // It has its time, and is gone when that is over.
    await held[0]!();
    await replacing;
    expect(stored(stage, "alice")).toEqual([]);
    stage.now += error!.retryAfter!;
    expect((await put(alice, 2, [one!])).ok).toEqual({ version: 3 });
    expect(stored(stage, "alice")).toEqual([one!.hash]);
  });

  test("a repetition that comes late deletes nothing", async () => {
    const { stage, alice } = await setting();
    const [one] = upload(stage, "one");
    await put(alice, 0, [one!]);
    const { blobs } = stage.relay;
    const remove = () => Promise.reject(new Error("killed"));
    const dying = { ...alice, stage: { ...stage, relay: { ...stage.relay, blobs: { ...blobs, remove } } } };
    expect((await put(dying, 1)).ok).toEqual({ version: 2 });
    expect(stage.memory.unexpected).toHaveLength(1);
    stage.now += 10 * second;
    expect((await put(alice, 1)).ok).toEqual({ version: 2 });
    expect(stored(stage, "alice")).toEqual([one!.hash]);
    // The next that leaves something out tidies up after it.
    stage.now += 10 * second;
    const [two] = upload(stage, "two");
    expect((await put(alice, 2, [two!])).ok).toEqual({ version: 3 });
    expect(stored(stage, "alice")).toEqual([one!.hash, two!.hash]);
  });

  test("what an interrupted replacement left is deleted by the next that leaves something out", async () => {
    const { stage, alice } = await setting();
    const [one, two] = upload(stage, "one", "two");
    await put(alice, 0, [one!, two!]);
    const { blobs } = stage.relay;
    const remove = () => Promise.reject(new Error("killed"));
    const dying = { ...alice, stage: { ...stage, relay: { ...stage.relay, blobs: { ...blobs, remove } } } };
    await put(dying, 1, [two!]);
    expect(stored(stage, "alice")).toEqual([one!.hash, two!.hash]);
    stage.now += 20 * second;
    expect((await put(alice, 2)).ok).toEqual({ version: 3 });
    expect(stored(stage, "alice")).toEqual([]);
  });
});

test("another account reads nothing of it, deletes nothing of it, and names nothing of it", async () => {
  const { stage, alice } = await setting();
  const mallory = await person(stage, "mallory");
  const [one] = upload(stage, "one");
  await put(alice, 0, [one!]);
  expireUploads(stage);
  expect(await get(mallory)).toEqual({ version: 0 });
  const { hash } = one!;
  expect((await ask(mallory, "downloadBlob", { hash, backup: true })).error?.code).toBe("blob_missing");
  expect((await ask(mallory, "downloadBlob", { hash })).error?.code).toBe("blob_missing");
  expect((await put(mallory, 0, [one!])).error?.code).toBe("blob_missing");
  // The same blob in both backups is two.
  upload(stage, "one");
  await put(mallory, 0, [one!]);
  await put(mallory, 1);
  expect([stored(stage, "alice"), stored(stage, "mallory")]).toEqual([[hash], []]);
  expect((await ask(alice, "downloadBlob", { hash, backup: true })).ok?.url).toContain(folderOf({ backupOf: "alice" }));
});

test("a device that recovers the account reads it before it has a certificate, and changes nothing", async () => {
  const { stage, alice } = await setting();
  const [one] = upload(stage, "one");
  await put(alice, 0, [one!]);
  const deviceKey = newKey();
  const fresh = socketOf(stage, { ...alice.identity, deviceKey, device: deviceIdOf(deviceKey) }, { scope: "register" });
  expect(await get(fresh)).toMatchObject({ version: 1, blobs: [one] });
  expect((await ask(fresh, "downloadBlob", { hash: one!.hash, backup: true })).ok).toBeDefined();
  expect((await ask(fresh, "downloadBlob", { hash: one!.hash })).error?.code).toBe("out_of_scope");
  expect((await put(fresh, 1)).error?.code).toBe("out_of_scope");
});

test("the largest fits its frames, and its item", async () => {
  const { stage, alice } = await setting();
  const names = Array.from({ length: limits.backupBlobs }, (_, i) => `blob ${i}`);
  const blobs = upload(stage, ...names).map((blob) => {
    stage.memory.tables.blobs.set(`staging/${blob.hash}`, { size: limits.blob, modified: 0 });
    return { ...blob, size: limits.blob };
  });
  const manifest = payload(9, limits.backupManifest).inline;
  expect(
    JSON.stringify({ id: "1".repeat(32), op: "putBackup", expected: 2 ** 40, manifest, blobs }).length,
  ).toBeLessThan(limits.requestFrame);
  expect((await ask(alice, "putBackup", { expected: 0, manifest, blobs })).ok).toEqual({ version: 1 });
  expect(await get(alice)).toMatchObject({ manifest, blobs });
});
