/**
 * A function that is killed before or after each of its effects: nothing that must not be is there, and the same request again
 * ends what the first began.
 */
import { accountRecordOf, randomId, sha256 } from "../../bench/rawDevice.ts";
import { folderOf } from "../../lambdas/adapters/s3Blobs.ts";
import {
  ask,
  commitOf,
  currentRecord,
  group,
  keyPackage,
  meddled,
  newStage,
  payload,
  person,
  pushes,
  sibling,
  welcomeFor,
  type Device,
  type Stage,
} from "./stage.ts";

/** Runs `body` with a device whose function stands still forever at its k-th boundary. Returns whether it came to that. */
async function killedAt(k: number, device: Device, body: (device: Device) => Promise<unknown>): Promise<boolean> {
  let boundary = 0;
  let killed = false;
  const dying = meddled(device, () => {
    if (boundary++ !== k && !killed) return Promise.resolve();
    killed = true;
    return new Promise(() => {});
  });
  const done = body(dying).then(() => "done");
  // In memory everything that can happen has happened after a few turns.
  const still = (async () => {
    for (let turns = 0; turns < 50; turns++) await new Promise(setImmediate);
    return "killed";
  })();
  const outcome = await Promise.race([done, still]);
  expect(outcome).toBe(killed ? "killed" : "done");
  return killed;
}

/** `play` for each boundary, until there are no more. */
async function everywhere(
  play: (kill: (device: Device, body: (device: Device) => Promise<unknown>) => Promise<void>) => Promise<void>,
) {
  for (let k = 0; ; k++) {
    let reached = false;
    await play(async (device, body) => {
      reached = (await killedAt(k, device, body)) || reached;
    });
    if (!reached) return k;
  }
}

const inboxOf = async (device: Device) => (await ask(device, "readInbox", {})).ok!.items;

test("putAccount: the record, its one receipt, and the end of who was revoked", async () => {
  const boundaries = await everywhere(async (kill) => {
    const stage = newStage();
    const alice = await person(stage, "alice");
    const lost = await sibling(alice);
    await ask(lost, "publishKeyPackages", { keyPackages: [keyPackage(1)] });
    const { accountRecord } = await currentRecord(stage, "alice");
    const revoked = [lost.caller.device];
    const record = accountRecordOf(alice.identity, { version: 3, previous: accountRecord.hash, revoked });
    await kill(alice, (device) => ask(device, "putAccount", { record }));
    const before = stage.memory.tables.accounts.get("alice")!;
    expect([2, 3]).toContain(before.version);

    const { ok } = await ask(alice, "putAccount", { record });
    expect(ok).toMatchObject({ version: 3 });
    const after = stage.memory.tables.accounts.get("alice")!;
    expect(after.receipt).toEqual(ok!.receipt);
    if (before.version === 3 && before.receipt) expect(after.receipt).toEqual(before.receipt);
    // The registration goes first, so whoever was killed then leaves a socket that may ask for nothing, and hears nothing.
    expect((await ask(lost, "readInbox", {})).error?.code).toBe("not_registered");
    expect(await stage.relay.keyPackages.count("alice", lost.caller.device)).toBe(0);
  });
  expect(boundaries).toBeGreaterThan(10);
});

test("sendInbox: one message", async () => {
  const boundaries = await everywhere(async (kill) => {
    const stage = newStage();
    const [alice, bob] = [await person(stage, "alice"), await person(stage, "bob")];
    const conversation = await group([alice, bob]);
    const { account, device } = bob.caller;
    const request = { account, device, conversation, message: randomId(), payload: payload(3) };
    await kill(alice, (dying) => ask(dying, "sendInbox", request));
    stage.now += 5_000;
    expect((await ask(alice, "sendInbox", request)).ok).toEqual({});
    expect((await inboxOf(bob)).filter(({ kind }) => kind === "message")).toHaveLength(1);
  });
  expect(boundaries).toBeGreaterThan(10);
});

/** Bob and carol are to come in by a stage of alice's. */
async function staging() {
  const stage = newStage();
  const [alice, bob, carol] = [await person(stage, "alice"), await person(stage, "bob"), await person(stage, "carol")];
  const conversation = await group([alice]);
  const guests = [bob, carol];
  const welcomes = guests.map((guest) => welcomeFor(guest, alice));
  return { stage, alice, guests, conversation, welcomes };
}

/** A Welcome is seen where its commit stands in the log, and nowhere else. */
async function requireSeenWithCommit(
  { memory }: Stage,
  conversation: string,
  entry: string,
  guests: readonly Device[],
) {
  const landed = [...(memory.tables.log.get(conversation)?.values() ?? [])].some(({ id }) => id === entry);
  for (const guest of guests) expect(await inboxOf(guest)).toHaveLength(landed ? 1 : 0);
}

test("stageWelcomes and its commit: a Welcome is seen where the commit stands, and nowhere else", async () => {
  const boundaries = await everywhere(async (kill) => {
    const { stage, alice, guests, conversation, welcomes } = await staging();
    const entry = randomId();
    const lay = (by: Device) => ask(by, "stageWelcomes", { conversation, entry, welcomes });
    await kill(alice, lay);
    await requireSeenWithCommit(stage, conversation, entry, guests);
    const commit = commitOf(conversation, { entry, add: ["bob", "carol"], staged: true });
    // Half of a stage brings nobody in.
    if ((await stage.relay.stages.get({ conversation, entry, by: "alice" }, 0))?.devices.size !== 2) {
      expect((await ask(alice, "commit", commit)).error?.code).toBe("key_package_not_claimed");
    }
    expect((await lay(alice)).ok).toEqual({});
    await kill(alice, (dying) => ask(dying, "commit", commit));
    await requireSeenWithCommit(stage, conversation, entry, guests);
    expect((await ask(alice, "commit", commit)).ok).toBeDefined();
    expect((await lay(alice)).ok).toEqual({});
    await requireSeenWithCommit(stage, conversation, entry, guests);
  });
  expect(boundaries).toBeGreaterThan(20);
});

test("staging anew after a lost commit: the first never lands, the second does", async () => {
  const boundaries = await everywhere(async (kill) => {
    const { stage, alice, guests, conversation, welcomes } = await staging();
    const [first, second] = [randomId(), randomId()];
    const lay = (by: Device, entry: string) => ask(by, "stageWelcomes", { conversation, entry, welcomes });
    const commit = (entry: string) =>
      ask(alice, "commit", commitOf(conversation, { entry, add: ["bob"], staged: true }));
    expect((await lay(alice, first)).ok).toEqual({});
    await kill(alice, (dying) => lay(dying, second));
    await requireSeenWithCommit(stage, conversation, first, guests);
    const moved = [...stage.memory.tables.inbox.values()].some((places) =>
      [...places.values()].some(({ staged }) => staged?.stage.entry === second),
    );
    if (moved) expect((await commit(first)).error?.code).toBe("key_package_not_claimed");
    expect((await lay(alice, second)).ok).toEqual({});
    expect((await commit(first)).error?.code).toBe("key_package_not_claimed");
    expect((await commit(second)).ok).toBeDefined();
    await requireSeenWithCommit(stage, conversation, second, guests);
    expect(pushes(guests[0]!, "inbox")).toHaveLength(1);
  });
  expect(boundaries).toBeGreaterThan(15);
});

test("putBackup: what the backup names is there, at any moment", async () => {
  const boundaries = await everywhere(async (kill) => {
    const stage = newStage();
    const alice = await person(stage, "alice");
    const { blobs } = stage.memory.tables;
    const named = ["one", "two", "three"].map((content) => ({ hash: sha256(content), size: 10 }));
    for (const { hash } of named) blobs.set(`staging/${hash}`, { size: 10, modified: 0 });
    const [one, two, three] = named;
    const put = (by: Device, expected: number, names: typeof named) =>
      ask(by, "putBackup", { expected, manifest: payload(expected).inline, blobs: names });
    const requireComplete = async (): Promise<void> => {
      for (const { hash } of (await stage.relay.backups.get("alice"))?.blobs ?? []) {
        expect(blobs.has(`${folderOf({ backupOf: "alice" })}/${hash}`)).toBe(true);
      }
    };
    await kill(alice, (dying) => put(dying, 0, [one!, two!]));
    await requireComplete();
    expect((await put(alice, 0, [one!, two!])).ok).toEqual({ version: 1 });
    await kill(alice, (dying) => put(dying, 1, [two!, three!]));
    await requireComplete();
    expect((await put(alice, 1, [two!, three!])).ok).toEqual({ version: 2 });
    await requireComplete();
    const kept = [...blobs.keys()].filter((name) => name.startsWith("backup/"));
    expect(kept).toHaveLength(2);
  });
  expect(boundaries).toBeGreaterThan(15);
});
