/** Receipts for records: one for each version, and no record lost for want of one. */
import { verify, createPublicKey } from "node:crypto";
import { recordReceiptLabel, signedBytes, type RecordReceipt, type Signed } from "@tacit/protocol";
import { accountRecordOf, certify, newIdentity, newKey, sha256 } from "../../bench/rawDevice.ts";
import { ask, currentRecord, newStage, person, socketOf, type Device } from "./stage.ts";

const opened = ({ payload }: Signed) => JSON.parse(Buffer.from(payload, "base64url").toString()) as RecordReceipt;

function isGood({ payload, signature }: Signed): boolean {
  const key = createPublicKey({
    key: { kty: "OKP", crv: "Ed25519", x: opened({ payload, signature }).key },
    format: "jwk",
  });
  const message = signedBytes(recordReceiptLabel, Buffer.from(payload, "base64url"));
  return verify(null, message, key, Buffer.from(signature, "base64url"));
}

/** The same device while the key in KMS cannot be reached. */
function withoutKey(device: Device): Device {
  const receipts = { ...device.stage.relay.receipts, sign: () => Promise.reject(new Error("kms is away")) };
  return { ...device, stage: { ...device.stage, relay: { ...device.stage.relay, receipts } } };
}

test("says which version of which record was there, and when, and is the same for everybody", async () => {
  const stage = newStage();
  const [alice, bob] = [await person(stage, "alice"), await person(stage, "bob")];
  const { ok } = await ask(bob, "getAccount", { account: "alice" });
  const hash = sha256(Buffer.from(ok!.record.payload, "base64url"));
  const key = await stage.relay.receipts.key();
  expect(opened(ok!.receipt)).toEqual({ account: "alice", version: 1, hash, at: stage.now, key });
  expect(isGood(ok!.receipt)).toBe(true);
  stage.now += 1_000;
  expect((await ask(alice, "getAccount", { account: "alice" })).ok?.receipt).toEqual(ok!.receipt);
  expect((await ask(alice, "putAccount", { record: ok!.record })).ok?.receipt).toEqual(ok!.receipt);
});

test("the next version has its own", async () => {
  const stage = newStage();
  const alice = await person(stage, "alice");
  const first = (await ask(alice, "getAccount", { account: "alice" })).ok!;
  const previous = sha256(Buffer.from(first.record.payload, "base64url"));
  const record = accountRecordOf(alice.identity, { version: 2, previous });
  const { ok } = await ask(alice, "putAccount", { record });
  expect(opened(ok!.receipt)).toMatchObject({ version: 2, hash: sha256(Buffer.from(record.payload, "base64url")) });
  expect((await ask(alice, "getAccount", { account: "alice" })).ok?.receipt).toEqual(ok!.receipt);
});

test("without the key the record is stored, and signed for whoever asks next", async () => {
  const stage = newStage();
  const identity = newIdentity("alice");
  const socket = socketOf(stage, identity, { scope: "register" });
  const record = accountRecordOf(identity);
  const { error } = await ask(withoutKey(socket), "putAccount", { record });
  expect(error).toMatchObject({ code: "internal", retryable: true });
  expect(stage.memory.unexpected).toHaveLength(1);
  expect((await stage.relay.directory.get("alice"))?.signed).toEqual(record);
  // Whoever asks meanwhile may ask again.
  expect((await ask(withoutKey(socket), "getAccount", { account: "alice" })).error?.retryable).toBe(true);
  const again = await ask(socket, "putAccount", { record });
  expect(isGood(again.ok!.receipt)).toBe(true);
  expect((await ask(socket, "getAccount", { account: "alice" })).ok?.receipt).toEqual(again.ok!.receipt);
});

test("a revocation without the key closes the socket all the same", async () => {
  const stage = newStage();
  const alice = await person(stage, "alice");
  const deviceKey = newKey();
  const { accountRecord } = await currentRecord(stage, "alice");
  const second = accountRecordOf(alice.identity, {
    version: 2,
    previous: accountRecord.hash,
    devices: [certify(alice.identity), certify(alice.identity, deviceKey)],
  });
  await ask(alice, "putAccount", { record: second });
  const { certificates } = await currentRecord(stage, "alice");
  const lost = JSON.parse(Buffer.from(certificates[1]!.payload, "base64url").toString()) as { device: string };
  const socket = socketOf(stage, { ...alice.identity, deviceKey, device: lost.device });
  await ask(socket, "hello", {});
  const third = accountRecordOf(alice.identity, {
    version: 3,
    previous: sha256(Buffer.from(second.payload, "base64url")),
    revoked: [lost.device],
  });
  expect((await ask(withoutKey(alice), "putAccount", { record: third })).error?.code).toBe("internal");
  expect(stage.memory.closed).toEqual([socket.caller.connection]);
});

test("of two who sign at once, both answer with the one that is stored", async () => {
  const stage = newStage();
  const alice = await person(stage, "alice");
  const { receipt: _, ...unsigned } = stage.memory.tables.accounts.get("alice")!;
  stage.memory.tables.accounts.set("alice", unsigned);
  const { receipts } = stage.relay;
  const signed = new Set<string>();
  const sign: typeof receipts.sign = async (message) => {
    signed.add(Buffer.from(message).toString());
    return receipts.sign(message);
  };
  // Each signs at another time.
  let ticks = 0;
  const clock = { ...stage.relay.clock, now: () => stage.now + ++ticks };
  const relay = { ...stage.relay, receipts: { ...receipts, sign }, clock };
  const slow = { ...alice, stage: { memory: stage.memory, relay, now: stage.now } };
  const get = () => ask(slow, "getAccount", { account: "alice" });
  const answers = await Promise.all([get(), get(), get()]);
  expect(signed.size).toBe(3);
  const stored = stage.memory.tables.accounts.get("alice")!.receipt;
  for (const { ok } of answers) expect(ok?.receipt).toEqual(stored);
});

test("one that is signed while the next version comes is true, and stays with nobody", async () => {
  const stage = newStage();
  const alice = await person(stage, "alice");
  const { accountRecord, stored } = await currentRecord(stage, "alice");
  const { receipt: _, ...unsigned } = stored;
  stage.memory.tables.accounts.set("alice", unsigned);
  const record = accountRecordOf(alice.identity, { version: 2, previous: accountRecord.hash });
  const { receipts } = stage.relay;
  let isFirst = true;
  const sign: typeof receipts.sign = async (message) => {
    if (isFirst) {
      isFirst = false;
      await ask(alice, "putAccount", { record });
    }
    return receipts.sign(message);
  };
  const slow = { ...alice, stage: { ...stage, relay: { ...stage.relay, receipts: { ...receipts, sign } } } };
  const { ok } = await ask(slow, "getAccount", { account: "alice" });
  expect(opened(ok!.receipt)).toMatchObject({ version: 1, hash: sha256(Buffer.from(ok!.record.payload, "base64url")) });
  const next = (await ask(alice, "getAccount", { account: "alice" })).ok!;
  expect(opened(next.receipt)).toMatchObject({ version: 2 });
});
