/**
 * Blobs in S3, by signed requests of our own: an SDK client for five requests would weigh as much as everything else.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
 */
import { createHash } from "node:crypto";
import { SignatureV4 } from "@smithy/signature-v4";
import { decodeBase64Url } from "@tacit/protocol";
import type { BlobPlace, Blobs, Clock } from "../ports.ts";
import { functionCredentials, Sha256 } from "./signedRequests.ts";

/** Seconds that a URL is good for: long enough for 64 MB over a slow line to begin. */
const urlLife = 15 * 60;
/** Milliseconds. */
const patience = 5_000;

export type S3Options = {
  readonly bucket: string;
  readonly region: string;
  readonly endpoint: string;
  readonly clock: Clock;
};

type Request = Parameters<SignatureV4["presign"]>[0];
type Method = "DELETE" | "GET" | "HEAD" | "PUT";

export function s3Blobs({ bucket, region, endpoint, clock }: S3Options): Blobs {
  const { protocol, hostname, port, host } = new URL(endpoint);
  const signer = new SignatureV4({
    service: "s3",
    region,
    credentials: async () => functionCredentials(),
    sha256: Sha256,
    // S3 signs paths as they are sent.
    uriEscapePath: false,
    applyChecksum: false,
  });
  const pathOf = (place: BlobPlace, hash: string): string => `/${bucket}/${folderOf(place)}/${hash}`;
  const requestTo = (method: Method, path: string, headers: Record<string, string> = {}): Request => ({
    method,
    protocol,
    hostname,
    ...(port !== "" && { port: Number(port) }),
    path,
    query: {},
    headers: { host, ...headers },
  });

  async function send(method: Method, path: string, headers: Record<string, string> = {}): Promise<Response> {
    const unsigned = requestTo(method, path, { "x-amz-content-sha256": emptySha256, ...headers });
    const signed = await signer.sign(unsigned, { signingDate: new Date(clock.now()) });
    const { host: _, ...own } = signed.headers;
    return fetch(`${protocol}//${host}${path}`, { method, headers: own, signal: AbortSignal.timeout(patience) });
  }

  async function urlFor(method: Method, path: string, signed: Record<string, string>) {
    const now = clock.now();
    // Hoisted into the URL: the signer need not know the content.
    const request = requestTo(method, path, { ...signed, "x-amz-content-sha256": "UNSIGNED-PAYLOAD" });
    const { query = {} } = await signer.presign(request, {
      expiresIn: urlLife,
      signingDate: new Date(now),
      // What is signed as a header has to be sent, and cannot be left out of the URL.
      unhoistableHeaders: new Set(Object.keys(signed)),
    });
    const parameters = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)]));
    return { url: `${protocol}//${host}${path}?${parameters}`, expires: now + urlLife * 1_000 };
  }

  return {
    async stat(place, hash) {
      const response = await send("HEAD", pathOf(place, hash));
      if (response.status === 404) return undefined;
      if (!response.ok) throw new Error(`s3: HEAD ${response.status}`);
      const modified = Date.parse(response.headers.get("last-modified") ?? "");
      return { size: Number(response.headers.get("content-length")), modified };
    },
    async copy(from, to, hash) {
      const response = await send("PUT", pathOf(to, hash), {
        "x-amz-copy-source": pathOf(from, hash),
        // Without it, S3 copies nothing onto itself.
        "x-amz-metadata-directive": "REPLACE",
      });
      // S3 may begin a copy with 200 and end it with an error.
      const body = await response.text();
      if (!response.ok || body.includes("<Error>")) throw new Error(`s3: copy ${response.status}`);
    },
    async remove(place, hash) {
      const response = await send("DELETE", pathOf(place, hash));
      // The bucket keeps versions for a day, and says so whether there was one or not.
      if (!response.ok && response.status !== 404) throw new Error(`s3: DELETE ${response.status}`);
    },
    async uploadUrl({ hash, size }) {
      const headers = { "x-amz-checksum-sha256": Buffer.from(decodeBase64Url(hash)).toString("base64") };
      // Senders add the length by themselves; browsers let nobody else do it.
      const signed = { ...headers, "content-length": String(size) };
      return { ...(await urlFor("PUT", pathOf("staging", hash), signed)), headers };
    },
    downloadUrl: (place, hash) => urlFor("GET", pathOf(place, hash), {}),
  };
}

/** An account's name may hold what a path may not, and says who it is: its hash stands for it. */
export function folderOf(place: BlobPlace): string {
  if (typeof place === "string") return place;
  return `backup/${createHash("sha256").update(place.backupOf).digest("base64url")}`;
}

const emptySha256 = createHash("sha256").digest("hex");
