import type { LocalCloud } from "@tacit/local";
import { request } from "node:http";
import { connectSample, startSample } from "./sampleCloud.ts";

describe("front door", () => {
  let cloud: LocalCloud;
  beforeAll(async () => {
    cloud = await startSample();
  });
  afterAll(() => cloud.close());

  const put = (authorization: string | null, more: Readonly<Record<string, string>> = {}) =>
    fetch(cloud.address, {
      method: "POST",
      headers: {
        ...(authorization !== null && { authorization }),
        "x-amz-target": "DynamoDB_20120810.PutItem",
        ...more,
      },
      body: "{}",
    });
  const credential = (accessKeyId: string) =>
    `AWS4-HMAC-SHA256 Credential=${accessKeyId}/20261123/eu-central-1/dynamodb/aws4_request, SignedHeaders=host, Signature=00`;

  test("nothing is done without a signature", async () => {
    const response = await put(null);
    expect([response.status, response.headers.get("x-amzn-errortype")]).toEqual([
      403,
      "MissingAuthenticationTokenException",
    ]);
  });

  test("nobody signs with keys that were not handed out", async () => {
    const response = await put(credential("ASIA0000"), { "x-amz-date": "20261123T000000Z" });
    expect(await response.json()).toMatchObject({ __type: expect.stringContaining("UnrecognizedClientException") });
  });

  test("or with a key but not its secret", async () => {
    const client = await connectSample(cloud);
    const { value: key } = await client.ask("env", { name: "AWS_ACCESS_KEY_ID" });
    // Another environment has other keys: ask until the token is of the same one.
    const tokens = new Map<unknown, unknown>();
    for (let round = 0; round < 2; round++) {
      const { value: token } = await client.ask("env", { name: "AWS_SESSION_TOKEN" });
      tokens.set(round, token);
    }
    const answers = await Promise.all(
      [...tokens.values()].map(async (token) => {
        const headers = { "x-amz-date": "20261123T000000Z", "x-amz-security-token": String(token) };
        return ((await (await put(credential(String(key)), headers)).json()) as { __type: string }).__type.replace(
          /^.*#/,
          "",
        );
      }),
    );
    expect(new Set(answers)).toEqual(new Set(["UnrecognizedClientException", "SignatureDoesNotMatch"]));
    client.close();
  });

  test("a path that is not encoded as paths are is refused", async () => {
    const status = await new Promise((resolve) => {
      request(`${cloud.address}/%zz`, (response) => resolve(response.resume().statusCode)).end();
    });
    expect(status).toBe(400);
  });
});
