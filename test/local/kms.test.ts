import type { LocalCloud } from "@tacit/local";
import { createPublicKey, verify } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectSample, startSample, type SampleClient } from "./sampleCloud.ts";

interface KmsAnswer {
  readonly status: number;
  readonly answer: Readonly<Record<string, string>>;
}

describe("KMS", () => {
  const ask = async (client: SampleClient, operation: string, input: object = {}) => {
    const { value: KeyId } = await client.ask("env", { name: "SIGNING_KEY" });
    return (await client.ask("kms", { operation, input: { KeyId, ...input } })) as unknown as KmsAnswer;
  };
  const publicKey = async (client: SampleClient) => (await ask(client, "GetPublicKey")).answer["PublicKey"] ?? "";

  describe("signing", () => {
    let cloud: LocalCloud;
    let client: SampleClient;
    beforeAll(async () => {
      cloud = await startSample();
      client = await connectSample(cloud);
    });
    afterAll(() => cloud.close());

    test("the public key verifies what the key signed", async () => {
      const key = createPublicKey({ key: Buffer.from(await publicKey(client), "base64"), format: "der", type: "spki" });
      const Message = Buffer.from("message").toString("base64");
      const { status, answer } = await ask(client, "Sign", {
        Message,
        SigningAlgorithm: "ED25519_SHA_512",
        MessageType: "RAW",
      });
      expect(status).toBe(200);
      expect(cloud.publicKey(String((await client.ask("env", { name: "SIGNING_KEY" }))["value"]))).toEqual(
        key.export({ type: "spki", format: "der" }),
      );
      expect(verify(null, Buffer.from("message"), key, Buffer.from(answer["Signature"] ?? "", "base64"))).toBe(true);
    });

    test("what is not hosted is refused", async () => {
      expect((await ask(client, "Encrypt", { Plaintext: "AQ==" })).answer).toMatchObject({
        __type: "UnsupportedOperationException",
      });
      const wrong = { Message: "AQ==", SigningAlgorithm: "ECDSA_SHA_256" };
      expect((await ask(client, "Sign", wrong)).answer).toMatchObject({ __type: "ValidationException" });
    });

    test("requests are metered", () => {
      expect(cloud.meter.snapshot().operations["kms:GetPublicKey"]).toEqual({ requests: 1, units: 1 });
    });
  });

  test("without the grant the denied action is named", async () => {
    const first = await startSample();
    const grants = first.iam.granted().filter(({ action }) => action === "kms:GetPublicKey");
    await first.close();
    const cloud = await startSample({ withoutGrants: grants });
    try {
      expect((await ask(await connectSample(cloud), "GetPublicKey")).answer).toMatchObject({
        __type: "AccessDeniedException",
        message: expect.stringContaining("kms:GetPublicKey"),
      });
    } finally {
      await cloud.close();
    }
  });

  test("with a data directory, key, items and objects outlast the cloud", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "local-cloud-"));
    const session = async <T>(task: (cloud: LocalCloud, client: SampleClient) => Promise<T>): Promise<T> => {
      const cloud = await startSample({ dataDir });
      try {
        return await task(cloud, await connectSample(cloud));
      } finally {
        await cloud.close();
      }
    };
    try {
      const key = await session(async (_, client) => {
        const { value: TableName } = await client.ask("env", { name: "ENTRIES" });
        await client.call("dynamodb", "putItem", { TableName, Item: { log: { S: "a" }, seq: { N: "1" } } });
        const { url } = await client.ask("presign", { method: "PUT", key: "kept/x" });
        await fetch(String(url), { method: "PUT", body: "hello" });
        return publicKey(client);
      });
      await session(async (cloud, client) => {
        expect(await publicKey(client)).toEqual(key);
        expect((await cloud.tables()).flatMap(({ items }) => items)).toEqual([{ log: { S: "a" }, seq: { N: "1" } }]);
        expect(cloud.bucketObjects().map((object) => [object.key, String(object.body)])).toEqual([["kept/x", "hello"]]);
      });
    } finally {
      rmSync(dataDir, { recursive: true });
    }
  });
});
