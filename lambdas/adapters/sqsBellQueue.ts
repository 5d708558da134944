/**
 * The queue of doorbells in SQS, by signed requests of our own, as in s3Blobs.ts: one operation is used of the JSON protocol.
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
 */
import { SignatureV4 } from "@smithy/signature-v4";
import type { BellQueue, BellSlice, Clock, Random } from "../ports.ts";
import { functionCredentials, Sha256 } from "./signedRequests.ts";

/** Of SQS: messages in a request, and bytes in all of them together. */
const batchEntries = 10;
const batchBytes = 1_048_576;
/** Attempts, and milliseconds that each may take: the sender of a message waits for the last of them. */
const maxAttempts = 3;
const patience = 2_000;
/** Milliseconds before another attempt, doubled with each, of which chance takes up to half. */
const pause = 60;

/** Errors that are over in a moment, besides all that come with a status of 500 and more. */
const passing: ReadonlySet<string> = new Set([
  "RequestThrottled",
  "ThrottlingException",
  "KmsThrottled",
  "OverLimit",
  "RequestTimeTooSkewed",
]);

export type SqsOptions = {
  readonly queueUrl: string;
  readonly region: string;
  /** Where SQS is: the origin of `queueUrl`, unless the environment says otherwise. */
  readonly endpoint: string;
  readonly clock: Clock;
  readonly random: Random;
};

export class SqsError extends Error {
  /** The service's own name for it, never what was sent. */
  readonly code: string;

  constructor(code: string) {
    super(`sqs: ${code}`);
    this.name = "SqsError";
    this.code = code;
  }
}

type Entry = { readonly Id: string; readonly MessageBody: string; readonly DelaySeconds: number };
type Failed = { readonly Id: string; readonly Code: string; readonly SenderFault: boolean };

/** @throws SqsError where some slice was not taken */
export function sqsBellQueue({ queueUrl, region, endpoint, clock, random }: SqsOptions): BellQueue {
  const { protocol, hostname, port, host } = new URL(endpoint);
  const signer = new SignatureV4({
    service: "sqs",
    region,
    credentials: async () => functionCredentials(),
    sha256: Sha256,
  });

  async function post(body: string): Promise<Response> {
    const request = {
      method: "POST",
      protocol,
      hostname,
      ...(port !== "" && { port: Number(port) }),
      path: "/",
      query: {},
      headers: {
        host,
        "content-type": "application/x-amz-json-1.0",
        "x-amz-target": "AmazonSQS.SendMessageBatch",
      },
      body,
    };
    const signed = await signer.sign(request, { signingDate: new Date(clock.now()) });
    const { host: _, ...headers } = signed.headers;
    return fetch(`${protocol}//${host}/`, { method: "POST", headers, body, signal: AbortSignal.timeout(patience) });
  }

  /** One attempt: the entries that may be tried again, and why. */
  async function attempt(entries: readonly Entry[]): Promise<{ again: readonly Entry[]; code: string }> {
    let response: Response;
    let text: string;
    try {
      response = await post(JSON.stringify({ QueueUrl: queueUrl, Entries: entries }));
      text = await response.text();
    } catch (error) {
      // It may have been taken, and is then sent twice: a device that is rung twice reads nothing new.
      return { again: entries, code: nameOf(error) };
    }
    if (!response.ok) {
      const code = errorCode(text) ?? `http ${response.status}`;
      if (response.status < 500 && response.status !== 429 && !passing.has(code)) throw new SqsError(code);
      return { again: entries, code };
    }
    const failed = failedOf(text);
    const fault = failed.find(({ SenderFault, Code }) => SenderFault && !passing.has(Code));
    if (fault !== undefined) throw new SqsError(fault.Code);
    const ids = new Set(failed.map(({ Id }) => Id));
    return { again: entries.filter(({ Id }) => ids.has(Id)), code: failed[0]?.Code ?? "" };
  }

  async function sendBatch(batch: readonly Entry[]): Promise<void> {
    let left = batch;
    for (let tried = 1; ; tried++) {
      const { again, code } = await attempt(left);
      if (again.length === 0) return;
      if (tried === maxAttempts) throw new SqsError(code);
      left = again;
      await clock.sleep(pause * 2 ** (tried - 1) * (1 - random.fraction() / 2));
    }
  }

  return {
    async send(slices, delaySeconds) {
      await Promise.all(batchesOf(slices, delaySeconds).map(sendBatch));
    },
  };
}

/** In order, as many in each as a request may hold. */
function batchesOf(slices: readonly BellSlice[], delaySeconds: number): readonly (readonly Entry[])[] {
  const batches: Entry[][] = [];
  let bytes = Infinity;
  for (const slice of slices) {
    const body = JSON.stringify(slice);
    const size = Buffer.byteLength(body);
    const last = batches.at(-1);
    if (last === undefined || last.length === batchEntries || bytes + size > batchBytes) {
      batches.push([{ Id: "0", MessageBody: body, DelaySeconds: delaySeconds }]);
      bytes = size;
    } else {
      last.push({ Id: String(last.length), MessageBody: body, DelaySeconds: delaySeconds });
      bytes += size;
    }
  }
  return batches;
}

/** A timeout is no Error everywhere. */
function nameOf(error: unknown): string {
  const { name } = Object(error) as { readonly name?: unknown };
  return typeof name === "string" ? name : "unknown";
}

/** `{ "__type": "com.amazonaws.sqs#RequestThrottled", ... }` */
function errorCode(text: string): string | undefined {
  const type = fieldOf(text, "__type");
  return typeof type === "string" ? type.replace(/^.*#/, "") : undefined;
}

function failedOf(text: string): readonly Failed[] {
  const failed = fieldOf(text, "Failed") ?? [];
  return Array.isArray(failed) ? (failed as Failed[]) : [];
}

function fieldOf(text: string, name: string): unknown {
  try {
    return (JSON.parse(text) as Record<string, unknown> | null)?.[name];
  } catch {
    return undefined;
  }
}
