/** Receipts, against a KMS that answers as it is told. */
import { generateKeyPairSync, sign } from "node:crypto";
import { kmsReceipts, rawEd25519 } from "../../lambdas/adapters/kmsReceipts.ts";
import { scriptedService, type Reply, type ScriptedService } from "../support/scriptedService.ts";

const pair = generateKeyPairSync("ed25519");
const spki = (key = pair.publicKey) => key.export({ type: "spki", format: "der" });
const { x } = pair.publicKey.export({ format: "jwk" });

let service: ScriptedService;
beforeAll(async () => {
  service = await scriptedService();
  Object.assign(process.env, {
    AWS_REGION: "eu-west-1",
    AWS_ACCESS_KEY_ID: "a",
    AWS_SECRET_ACCESS_KEY: "b",
    AWS_ENDPOINT_URL_KMS: service.endpoint,
  });
});
afterAll(() => {
  delete process.env["AWS_ENDPOINT_URL_KMS"];
  service.close();
});

const publicKey: Reply = { body: { PublicKey: spki().toString("base64") } };
const throttled: Reply = { status: 400, body: { __type: "ThrottlingException" } };

test("a message is signed whole, in the one way that clients accept", async () => {
  const message = Buffer.from("tacit record receipt 1\0{}");
  const signature = sign(null, message, pair.privateKey);
  service.script({ body: { Signature: signature.toString("base64") } });
  expect(await kmsReceipts("key-1").sign(message)).toBe(signature.toString("base64url"));
  expect(service.asked).toMatchObject([
    {
      target: "TrentService.Sign",
      body: {
        KeyId: "key-1",
        Message: message.toString("base64"),
        MessageType: "RAW",
        SigningAlgorithm: "ED25519_SHA_512",
      },
    },
  ]);
});

test("the public key is the 32 bytes of it, and is asked for once", async () => {
  service.script(publicKey);
  const receipts = kmsReceipts("key-1");
  expect(await Promise.all([receipts.key(), receipts.key()])).toEqual([x, x]);
  expect(await receipts.key()).toBe(x);
  expect(service.asked).toHaveLength(1);
});

test("where that failed, whoever needs it next asks again", async () => {
  service.script(throttled);
  const receipts = kmsReceipts("key-1");
  await expect(receipts.key()).rejects.toMatchObject({ name: "ThrottlingException" });
  expect(service.asked).toHaveLength(3);
  service.script(publicKey);
  expect(await receipts.key()).toBe(x);
});

test("a signature of another length is none", async () => {
  service.script({ body: { Signature: Buffer.alloc(71).toString("base64") } });
  await expect(kmsReceipts("key-1").sign(new Uint8Array(1))).rejects.toThrow("no Ed25519 signature");
});

test.each([
  ["of another curve", generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey],
  ["for something else", generateKeyPairSync("x25519").publicKey],
])("a key %s is a fault of the deployment", (_, key) => {
  expect(() => rawEd25519(spki(key))).toThrow("not an Ed25519 key");
});

test("neither more nor less than the key", () => {
  expect(Buffer.from(rawEd25519(spki())).toString("base64url")).toBe(x);
  expect(() => rawEd25519(spki().subarray(0, -1))).toThrow("not an Ed25519 key");
  expect(() => rawEd25519(Buffer.concat([spki(), Buffer.alloc(1)]))).toThrow("not an Ed25519 key");
});
