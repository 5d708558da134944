/**
 * Checks AWS Signature Version 4, in the Authorization header and in presigned URLs.
 *
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

export interface SignedRequest {
  readonly method: string;
  /** Path as sent, still encoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Signature {
  readonly accessKeyId: string;
  readonly service: string;
  readonly scope: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  /** When it was signed, `20261123T203117Z`. */
  readonly date: string;
  readonly sessionToken: string | null;
  /** Seconds, of a presigned URL. */
  readonly expires: number | null;
}

/** The signature that a request carries, or null when it carries none that can be read. */
export function readSignature({ query, headers }: SignedRequest): Signature | null {
  if (query.has("X-Amz-Signature")) {
    return assemble({
      credential: query.get("X-Amz-Credential"),
      signedHeaders: query.get("X-Amz-SignedHeaders"),
      signature: query.get("X-Amz-Signature"),
      date: query.get("X-Amz-Date"),
      sessionToken: query.get("X-Amz-Security-Token"),
      expires: Number(query.get("X-Amz-Expires")),
    });
  }
  const [, fields] = /^AWS4-HMAC-SHA256 (.+)$/.exec(headers.authorization ?? "") ?? [];
  const field = (name: string) => new RegExp(`${name}=([^, ]+)`).exec(fields ?? "")?.[1] ?? null;
  return assemble({
    credential: field("Credential"),
    signedHeaders: field("SignedHeaders"),
    signature: field("Signature"),
    date: single(headers["x-amz-date"]),
    sessionToken: single(headers["x-amz-security-token"]),
    expires: null,
  });
}

/** Whether `signature` was made with `secretAccessKey` over this very request. */
export function isSignedBy(secretAccessKey: string, request: SignedRequest, signature: Signature): boolean {
  const canonical = [
    request.method,
    canonicalPath(request.path, signature.service),
    canonicalQuery(request.query),
    ...signature.signedHeaders.map((name) => `${name}:${headerValue(request.headers, name)}`),
    "",
    signature.signedHeaders.join(";"),
    payloadHash(request, signature),
  ].join("\n");
  const toSign = ["AWS4-HMAC-SHA256", signature.date, signature.scope, sha256(canonical)].join("\n");
  const key = signature.scope
    .split("/")
    .reduce<string | Buffer>((secret, part) => hmac(secret, part), `AWS4${secretAccessKey}`);
  const expected = hmac(key, toSign).toString("hex");
  return (
    expected.length === signature.signature.length &&
    timingSafeEqual(Buffer.from(expected), Buffer.from(signature.signature))
  );
}

/** Milliseconds since 1970 of `20261123T203117Z`. */
export function signedAt({ date }: Signature): number {
  return Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"));
}

function assemble(fields: {
  credential: string | null;
  signedHeaders: string | null;
  signature: string | null;
  date: string | null;
  sessionToken: string | null;
  expires: number | null;
}): Signature | null {
  const { credential, signedHeaders, signature, date, sessionToken, expires } = fields;
  const [accessKeyId, day, region, service, terminator] = credential?.split("/") ?? [];
  if (!accessKeyId || !service || terminator !== "aws4_request" || !signedHeaders || !signature || !date) return null;
  return {
    accessKeyId,
    service,
    scope: [day, region, service, terminator].join("/"),
    signedHeaders: signedHeaders.split(";"),
    signature,
    date,
    sessionToken,
    expires,
  };
}

/** The content of a presigned request is not known to whoever signs, unless the URL states its hash. */
function payloadHash({ headers, query, body }: SignedRequest, { expires }: Signature): string {
  if (expires !== null) return query.get("X-Amz-Content-Sha256") ?? "UNSIGNED-PAYLOAD";
  const stated = single(headers["x-amz-content-sha256"]);
  return stated === "UNSIGNED-PAYLOAD" ? stated : sha256(body);
}

/** S3 normalises the encoding of the path; every other service has it encoded once more. */
function canonicalPath(path: string, service: string): string {
  const normal = (segment: string) => encode(service === "s3" ? decodeURIComponent(segment) : segment);
  return path.split("/").map(normal).join("/");
}

function canonicalQuery(query: URLSearchParams): string {
  return [...query]
    .filter(([name]) => name !== "X-Amz-Signature")
    .map(([name, value]) => [encode(name), encode(value)] as const)
    .sort(([name, value], [otherName, otherValue]) => compare(name, otherName) || compare(value, otherValue))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
}

/** By code point, as the specification asks. */
function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

function headerValue(headers: IncomingHttpHeaders, name: string): string {
  return (single(headers[name]) ?? "").trim().replace(/\s+/g, " ");
}

function single(value: string | string[] | undefined): string | null {
  return value === undefined ? null : Array.isArray(value) ? value.join(",") : value;
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

function sha256(data: string | Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}

function hmac(key: string | Buffer, data: string): Buffer {
  return createHmac("sha256", key).update(data).digest();
}
