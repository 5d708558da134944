/**
 * The part of S3 that presigned URLs and small helpers of functions use: PUT, GET, HEAD, copy and delete of one object,
 * path-style, with SHA-256 checksums.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/
 */
import { createHash } from "node:crypto";
import type { BucketModel } from "../cloudformation/deployment.ts";
import type { AccessControl, Caller } from "../iam/accessControl.ts";
import type { Kms } from "../kms/kms.ts";
import type { Meter } from "../meter.ts";
import { ServiceError, type Service, type ServiceRequest, type ServiceResponse } from "../service.ts";
import type { ObjectStore, ObjectVersion } from "./objectStore.ts";

/** Headers that are understood, or that change nothing here. Others are refused rather than ignored. */
const KNOWN_HEADERS: ReadonlySet<string> = new Set([
  "x-amz-algorithm",
  "x-amz-credential",
  "x-amz-signature",
  "x-amz-signedheaders",
  "x-amz-expires",
  "x-amz-date",
  "x-amz-content-sha256",
  "x-amz-security-token",
  "x-amz-user-agent",
  "x-amz-checksum-sha256",
  "x-amz-checksum-algorithm",
  "x-amz-sdk-checksum-algorithm",
  "x-amz-checksum-mode",
  "x-amz-copy-source",
  "x-amz-metadata-directive",
]);

/** Query parameters besides the `x-amz-` ones. `x-id` is the SDK's note of the operation. */
const KNOWN_PARAMETERS: ReadonlySet<string> = new Set(["versionId", "x-id"]);

export interface Bucket {
  readonly model: BucketModel;
  readonly objects: ObjectStore;
}

export interface S3ServiceOptions {
  readonly buckets: ReadonlyMap<string, Bucket>;
  readonly access: AccessControl;
  readonly kms: Kms;
  readonly meter: Meter;
}

interface Input {
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string | null;
}

export function createS3Service({ buckets, access, kms, meter }: S3ServiceOptions): Service {
  return {
    read(request) {
      const { method, query } = request;
      const names = [...Object.keys(request.headers), ...query.keys()].map((name) => name.toLowerCase());
      const strangeHeader = names.find((name) => name.startsWith("x-amz-") && !KNOWN_HEADERS.has(name));
      const strangeParameter = [...query.keys()].find((name) => !KNOWN_PARAMETERS.has(name) && !/^x-amz-/i.test(name));
      const strange = strangeHeader ?? strangeParameter;
      if (strange !== undefined || request.headers["content-encoding"] === "aws-chunked") {
        throw new ServiceError(501, "NotImplemented", `${strange ?? "aws-chunked"} is not hosted`);
      }
      const { bucket, key } = splitPath(request.path);
      const operation = operationOf(method, header(request, "x-amz-copy-source") !== null);
      if (operation === null || key === "")
        throw new ServiceError(501, "NotImplemented", `${method} ${request.path} is not hosted`);
      return { operation, input: { bucket, key, versionId: query.get("versionId") } satisfies Input };
    },
    perform(request, operation, input, effects) {
      const { bucket: name, key, versionId } = input as Input;
      const bucket = findBucket(name);
      const isPut = operation === "PutObject" || operation === "CopyObject";
      const isRead = operation === "GetObject" || operation === "HeadObject";
      meter.add(`s3:${operation}`, isPut ? { s3Puts: 1 } : isRead ? { s3Gets: 1 } : {});
      if (effects.has("drop")) return respond({ status: 200 });
      switch (operation) {
        case "PutObject":
          return respond(put(request, bucket, key));
        case "CopyObject":
          return respond(copy(request, bucket, key));
        case "DeleteObject":
          authorize(request.caller, bucket, key, versionId === null ? "s3:DeleteObject" : "s3:DeleteObjectVersion");
          bucket.objects.delete(key, versionId);
          return respond({ status: 204 });
        default:
          return respond(get(request, bucket, key, versionId));
      }
    },
    answerError: ({ statusCode, type, message }) => ({
      status: statusCode,
      headers: { "content-type": "application/xml" },
      body: `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${escapeXml(type)}</Code><Message>${escapeXml(message)}</Message></Error>`,
    }),
    throttled: new ServiceError(503, "SlowDown", "Please reduce your request rate."),
  };

  function put(request: ServiceRequest, bucket: Bucket, key: string): ServiceResponse {
    authorize(request.caller, bucket, key, "s3:PutObject");
    useKey(request.caller, bucket, "kms:GenerateDataKey");
    const expected = header(request, "x-amz-checksum-sha256");
    if (expected !== null && expected !== createHash("sha256").update(request.body).digest("base64")) {
      throw new ServiceError(400, "BadDigest", "The SHA256 you specified did not match the calculated checksum.");
    }
    if (request.headers["if-none-match"] === "*" && bucket.objects.current(key)) {
      throw new ServiceError(
        412,
        "PreconditionFailed",
        "At least one of the pre-conditions you specified did not hold",
      );
    }
    const stored = bucket.objects.put(key, request.body, {
      "content-type": request.headers["content-type"] ?? "application/octet-stream",
    });
    return { status: 200, headers: versionHeaders(bucket, stored) };
  }

  function copy(request: ServiceRequest, bucket: Bucket, key: string): ServiceResponse {
    const source = splitPath(`/${(header(request, "x-amz-copy-source") ?? "").replace(/^\//, "")}`);
    const from = findBucket(source.bucket);
    const isSame = from === bucket && source.key === key;
    if (isSame && header(request, "x-amz-metadata-directive") !== "REPLACE") {
      throw new ServiceError(
        400,
        "InvalidRequest",
        "This copy request is illegal: it copies an object to itself unchanged.",
      );
    }
    const original = lookUp(request.caller, from, source.key, null);
    useKey(request.caller, from, "kms:Decrypt");
    authorize(request.caller, bucket, key, "s3:PutObject");
    useKey(request.caller, bucket, "kms:GenerateDataKey");
    const stored = bucket.objects.put(key, original.body as Buffer, original.headers);
    return {
      status: 200,
      headers: { "content-type": "application/xml", ...versionHeaders(bucket, stored) },
      body: `<?xml version="1.0" encoding="UTF-8"?>\n<CopyObjectResult><LastModified>${new Date(stored.storedAt).toISOString()}</LastModified><ETag>${escapeXml(etag(stored))}</ETag></CopyObjectResult>`,
    };
  }

  function get(request: ServiceRequest, bucket: Bucket, key: string, versionId: string | null): ServiceResponse {
    const found = lookUp(request.caller, bucket, key, versionId);
    const withChecksum = header(request, "x-amz-checksum-mode") === "ENABLED";
    // A HEAD reads no content; only the checksum lies under the key.
    if (request.method === "GET" || withChecksum) useKey(request.caller, bucket, "kms:Decrypt");
    const body = found.body as Buffer;
    return {
      status: 200,
      headers: {
        ...found.headers,
        ...versionHeaders(bucket, found),
        ...(withChecksum && { "x-amz-checksum-sha256": found.sha256 }),
        "content-length": String(body.length),
        "last-modified": new Date(found.storedAt).toUTCString(),
      },
      body,
    };
  }

  function lookUp(caller: Caller, bucket: Bucket, key: string, versionId: string | null): ObjectVersion {
    authorize(caller, bucket, key, versionId === null ? "s3:GetObject" : "s3:GetObjectVersion");
    const found = versionId === null ? bucket.objects.current(key) : bucket.objects.version(key, versionId);
    if (found?.body) return found;
    // Whoever may not list the bucket is not told whether a key exists.
    authorizeOn(caller, bucket, bucket.model.arn, "s3:ListBucket");
    throw new ServiceError(404, "NoSuchKey", "The specified key does not exist.");
  }

  function authorize(caller: Caller, bucket: Bucket, key: string, action: string): void {
    authorizeOn(caller, bucket, `${bucket.model.arn}/${key}`, action);
  }

  function authorizeOn(caller: Caller, { model }: Bucket, resource: string, action: string): void {
    const denial = access.check(caller, { action, resource, resourcePolicy: model.policy });
    if (denial !== null) throw new ServiceError(403, "AccessDenied", denial);
  }

  function useKey(caller: Caller, { model }: Bucket, action: "kms:Decrypt" | "kms:GenerateDataKey"): void {
    if (model.kmsKeyArn === null) return;
    kms.authorizeVia("s3", caller, model.kmsKeyArn, [action]);
    if (!model.bucketKey) meter.add(action, { kmsSymmetric: 1 });
  }

  function findBucket(name: string): Bucket {
    const bucket = buckets.get(name);
    if (!bucket) throw new ServiceError(404, "NoSuchBucket", "The specified bucket does not exist");
    return bucket;
  }
}

export function splitPath(path: string): { readonly bucket: string; readonly key: string } {
  const [, bucket = "", key = ""] = /^\/([^/]*)\/?(.*)$/s.exec(path) ?? [];
  return { bucket: decodeURIComponent(bucket), key: decodeURIComponent(key) };
}

function operationOf(method: string, copies: boolean): string | null {
  if (method === "PUT") return copies ? "CopyObject" : "PutObject";
  return { GET: "GetObject", HEAD: "HeadObject", DELETE: "DeleteObject" }[method] ?? null;
}

/** A presigned URL may carry headers as query parameters. */
function header({ headers, query }: ServiceRequest, name: string): string | null {
  const value = headers[name];
  if (typeof value === "string") return value;
  return [...query].find(([parameter]) => parameter.toLowerCase() === name)?.[1] ?? null;
}

function versionHeaders({ model }: Bucket, version: ObjectVersion): Readonly<Record<string, string>> {
  return { etag: etag(version), ...(model.versioned && { "x-amz-version-id": version.versionId }) };
}

function etag({ body }: ObjectVersion): string {
  return `"${createHash("md5")
    .update(body ?? "")
    .digest("hex")}"`;
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

function respond(response: ServiceResponse): Promise<ServiceResponse> {
  return Promise.resolve(response);
}
