import type { LocalCloud } from "@tacit/local";
import { createHash } from "node:crypto";
import { connectSample, startSample, type SampleClient } from "./sampleCloud.ts";

const DAY = 86_400_000;
const sha256 = (text: string) => createHash("sha256").update(text).digest("base64");

describe("S3", () => {
  let cloud: LocalCloud;
  let client: SampleClient;
  beforeAll(async () => {
    cloud = await startSample({ startAt: Date.UTC(2026, 10, 23, 12) });
    client = await connectSample(cloud);
  });
  afterAll(() => cloud.close());

  const presign = async (method: string, key: string, more: object = {}) =>
    String((await client.ask("presign", { method, key, ...more }))["url"]);
  const upload = async (key: string, body: string) => {
    const headers = { "x-amz-checksum-sha256": sha256(body), "content-length": String(body.length) };
    return fetch(await presign("PUT", key, { headers }), {
      method: "PUT",
      body,
      headers: { "x-amz-checksum-sha256": sha256(body) },
    });
  };
  const current = (name: string) =>
    cloud
      .bucketObjects()
      .filter(({ key, body }) => body !== null && key.endsWith(name))
      .map(({ key }) => key);

  test("what is put by presigned URL is got by presigned URL", async () => {
    expect((await upload("staging/a b+ü", "hello")).status).toBe(200);
    const response = await fetch(await presign("GET", "staging/a b+ü"));
    expect([response.status, await response.text()]).toEqual([200, "hello"]);
    const head = await fetch(
      await presign("HEAD", "staging/a b+ü", { headers: { "x-amz-checksum-mode": "ENABLED" } }),
      {
        method: "HEAD",
        headers: { "x-amz-checksum-mode": "ENABLED" },
      },
    );
    expect(head.headers.get("content-length")).toBe("5");
    expect(head.headers.get("x-amz-checksum-sha256")).toBe(sha256("hello"));
  });

  test("a signed checksum and length hold the uploader to them", async () => {
    const headers = { "x-amz-checksum-sha256": sha256("hello"), "content-length": "5" };
    const url = await presign("PUT", "staging/held", { headers });
    const attempt = (body: string, checksum: string) =>
      fetch(url, { method: "PUT", body, headers: { "x-amz-checksum-sha256": checksum } });
    expect([
      (await attempt("hullo", sha256("hello"))).status,
      (await attempt("hello there", sha256("hello"))).status,
    ]).toEqual([400, 403]);
    expect((await attempt("hullo", sha256("hullo"))).status).toBe(403);
    expect(current("held")).toEqual([]);
    expect((await attempt("hello", sha256("hello"))).status).toBe(200);
  });

  test("a checksum in the URL holds too", async () => {
    const url = await presign("PUT", "staging/x", { query: { "x-amz-checksum-sha256": sha256("hello") } });
    expect((await fetch(url, { method: "PUT", body: "hullo" })).status).toBe(400);
    expect((await fetch(url, { method: "PUT", body: "hello" })).status).toBe(200);
  });

  test("URLs expire, and cannot be changed or used for something else", async () => {
    const url = await presign("PUT", "staging/x");
    expect((await fetch(url.replace("staging/x", "staging/y"), { method: "PUT", body: "a" })).status).toBe(403);
    expect((await fetch(url)).status).toBe(403);
    expect(
      (await fetch(url.replace("X-Amz-Expires=60", "X-Amz-Expires=6000"), { method: "PUT", body: "a" })).status,
    ).toBe(403);
    await cloud.advance(61_000);
    const late = await fetch(url, { method: "PUT", body: "a" });
    expect([late.status, await late.text()]).toEqual([403, expect.stringContaining("Request has expired")]);
  });

  test("nothing is public", async () => {
    await upload("staging/x", "hello");
    const [bare] = (await presign("GET", "staging/x")).split("?");
    expect((await fetch(String(bare))).status).toBe(403);
  });

  test("whoever may not list the bucket is not told whether a key exists", async () => {
    expect((await fetch(await presign("GET", "staging/absent"))).status).toBe(403);
    expect(cloud.iam.denied()).toContainEqual(expect.objectContaining({ action: "s3:ListBucket" }));
  });

  test("copies need both ends", async () => {
    await upload("staging/copied", "hello");
    const source = `/${String((await client.ask("env", { name: "BLOBS" }))["value"])}/staging/copied`;
    const headers = { "x-amz-copy-source": source };
    const response = await fetch(await presign("PUT", "kept/copied", { headers }), { method: "PUT", headers });
    expect([response.status, await response.text()]).toEqual([200, expect.stringContaining("CopyObjectResult")]);
    expect(await (await fetch(await presign("GET", "kept/copied"))).text()).toBe("hello");
    const absent = { "x-amz-copy-source": `${source}-not` };
    expect(
      (await fetch(await presign("PUT", "kept/none", { headers: absent }), { method: "PUT", headers: absent })).status,
    ).toBe(403);
    expect(current("none")).toEqual([]);
  });

  test("a copy onto itself renews an object, when it says so", async () => {
    await upload("staging/self", "hello");
    const source = `/${String((await client.ask("env", { name: "BLOBS" }))["value"])}/staging/self`;
    const copy = async (headers: Record<string, string>) =>
      (await fetch(await presign("PUT", "staging/self", { headers }), { method: "PUT", headers })).status;
    expect(await copy({ "x-amz-copy-source": source })).toBe(400);
    expect(await copy({ "x-amz-copy-source": source, "x-amz-metadata-directive": "REPLACE" })).toBe(200);
  });

  test("what is not granted, and what is not hosted, is refused", async () => {
    await upload("staging/x", "hello");
    expect((await fetch(await presign("DELETE", "staging/x"), { method: "DELETE" })).status).toBe(403);
    expect(cloud.iam.denied()).toContainEqual(expect.objectContaining({ action: "s3:DeleteObject" }));
    expect((await fetch(await presign("GET", "staging/x", { query: { acl: "" } }))).status).toBe(501);
    const headers = { "x-amz-tagging": "a=b" };
    expect(
      (await fetch(await presign("PUT", "staging/x", { headers }), { method: "PUT", body: "a", headers })).status,
    ).toBe(501);
  });

  test("a page of an allowed origin may use URLs, another may not", async () => {
    const url = await presign("PUT", "staging/x");
    const preflight = (origin: string, header = "content-type") =>
      fetch(url, {
        method: "OPTIONS",
        headers: { origin, "access-control-request-method": "PUT", "access-control-request-headers": header },
      });
    const allowed = await preflight("https://app.example");
    expect([allowed.status, allowed.headers.get("access-control-allow-origin")]).toEqual([200, "https://app.example"]);
    expect((await preflight("https://evil.example")).status).toBe(403);
    expect((await preflight("https://app.example", "x-other")).status).toBe(403);
    const put = await fetch(url, { method: "PUT", body: "a", headers: { origin: "https://app.example" } });
    expect(put.headers.get("access-control-expose-headers")).toBe("etag");
  });

  test("requests are metered by class", async () => {
    const before = cloud.meter.snapshot().usage;
    await upload("staging/x", "hello");
    await (await fetch(await presign("GET", "staging/x"))).text();
    const { s3Puts, s3Gets } = cloud.meter.snapshot().usage;
    expect([s3Puts - before.s3Puts, s3Gets - before.s3Gets]).toEqual([1, 1]);
  });

  test("lifecycle: staged objects expire at the midnight after their day, remains a day later, the rest stays", async () => {
    const own = (): readonly string[] =>
      cloud
        .bucketObjects()
        .filter(({ key }) => key.endsWith("/own"))
        .map(({ key, body }) => `${key} ${String(body)}`);
    await upload("staging/own", "goes");
    await upload("kept/own", "stays");
    await cloud.advance(1.4 * DAY);
    expect(own()).toEqual(["staging/own goes", "kept/own stays"]);
    await cloud.advance(0.1 * DAY);
    expect(own()).toEqual(["staging/own null", "staging/own goes", "kept/own stays"]);
    client = await connectSample(cloud);
    expect((await fetch(await presign("GET", "staging/own"))).status).toBe(403);
    await cloud.advance(2 * DAY);
    expect(own()).toEqual(["kept/own stays"]);
  });
});
