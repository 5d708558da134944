/**
 * SQS as those see it who send: the JSON protocol, permissions of role, queue and key, the limits of a batch, and the meter. Whoever
 * receives is a function, for which Lambda polls (eventSource.ts).
 *
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
 */
import type { AccessControl, Caller } from "../iam/accessControl.ts";
import type { Kms } from "../kms/kms.ts";
import { queueUnits, type Meter } from "../meter.ts";
import { jsonResponse, ServiceError, type Service } from "../service.ts";
import type { MessageQueue } from "./messageQueue.ts";

const CONTENT_TYPE = "application/x-amz-json-1.0";
const LARGEST_BATCH_BYTES = 1_048_576;
const LARGEST_BATCH = 10;
const LONGEST_DELAY_SECONDS = 900;

export interface SqsServiceOptions {
  /** By URL. */
  readonly queues: ReadonlyMap<string, MessageQueue>;
  readonly access: AccessControl;
  readonly kms: Kms;
  readonly meter: Meter;
}

interface Entry {
  readonly Id: string;
  readonly MessageBody: string;
  readonly DelaySeconds?: number;
}

const ENTRY_FIELDS: ReadonlySet<string> = new Set(["Id", "MessageBody", "DelaySeconds"]);

export function createSqsService({ queues, access, kms, meter }: SqsServiceOptions): Service {
  return {
    read({ headers, body }) {
      const [api, operation = ""] = String(headers["x-amz-target"] ?? "").split(".");
      if (api !== "AmazonSQS" || (operation !== "SendMessage" && operation !== "SendMessageBatch")) {
        throw new ServiceError(400, "UnsupportedOperation", `${operation} is not hosted`);
      }
      return { operation, input: JSON.parse(body.toString("utf8")) as unknown };
    },
    perform({ caller }, operation, input, effects) {
      const { QueueUrl, Entries, ...message } = input as { QueueUrl: string; Entries?: readonly Entry[] };
      const queue = queues.get(QueueUrl);
      if (!queue) throw new ServiceError(400, "QueueDoesNotExist", "The specified queue does not exist.");
      authorize(caller, queue);
      const entries = operation === "SendMessage" ? [{ ...(message as Entry), Id: "0" }] : checkBatch(Entries ?? []);
      const bytes = entries.reduce((sum, entry) => sum + checkEntry(queue, entry), 0);
      if (bytes > LARGEST_BATCH_BYTES) {
        throw new ServiceError(
          400,
          "BatchRequestTooLong",
          `Batch requests cannot be longer than ${LARGEST_BATCH_BYTES}`,
        );
      }
      meter.add(`sqs:${operation}`, { sqsRequests: queueUnits(bytes) });
      const isTaken = (index: number) => !effects.has("unprocessed") || index % 2 === 0;
      const sent = entries
        .filter((_, index) => isTaken(index))
        .map(({ Id, MessageBody, DelaySeconds }) => {
          const { id, md5 } = queue.send(MessageBody, DelaySeconds ?? null, caller.sessionArn);
          return { Id, MessageId: id, MD5OfMessageBody: md5 };
        });
      if (operation === "SendMessage") return answer({ ...sent[0], Id: undefined });
      const Failed = entries
        .filter((_, index) => !isTaken(index))
        .map(({ Id }) => ({ Id, Code: "InternalError", SenderFault: false, Message: "injected" }));
      return answer({ Successful: sent, ...(Failed.length > 0 && { Failed }) });
    },
    answerError: ({ statusCode, type, message }) =>
      jsonResponse(statusCode, CONTENT_TYPE, {
        __type: `com.amazonaws.sqs#${type === "AccessDenied" ? "AccessDeniedException" : type}`,
        message,
      }),
    throttled: new ServiceError(400, "RequestThrottled", "The request was denied due to request throttling."),
  };

  /** A batch has no action of its own. The key is used in the caller's name: to make a data key, and to see that it opens. */
  function authorize(caller: Caller, { model }: MessageQueue): void {
    const { arn: resource, policy: resourcePolicy } = model;
    const denial = access.check(caller, { action: "sqs:SendMessage", resource, resourcePolicy });
    if (denial !== null) throw new ServiceError(403, "AccessDeniedException", denial);
    if (model.kmsKeyArn !== null)
      kms.authorizeVia("sqs", caller, model.kmsKeyArn, ["kms:GenerateDataKey", "kms:Decrypt"]);
  }
}

function checkBatch(entries: readonly Entry[]): readonly Entry[] {
  if (entries.length === 0) throw new ServiceError(400, "EmptyBatchRequest", "There should be at least one entry.");
  if (entries.length > LARGEST_BATCH) {
    throw new ServiceError(400, "TooManyEntriesInBatchRequest", `Maximum number of entries per request are 10.`);
  }
  if (new Set(entries.map(({ Id }) => Id)).size < entries.length) {
    throw new ServiceError(400, "BatchEntryIdsNotDistinct", "Two or more batch entries have the same Id.");
  }
  if (entries.some(({ Id }) => !/^[\w-]{1,80}$/.test(Id))) {
    throw new ServiceError(400, "InvalidBatchEntryId", "An Id is of letters, digits, hyphens and underscores.");
  }
  return entries;
}

/** Returns its size in bytes. */
function checkEntry({ model }: MessageQueue, entry: Entry): number {
  const strange = Object.keys(entry).find((name) => !ENTRY_FIELDS.has(name));
  if (strange !== undefined) throw new ServiceError(400, "UnsupportedOperation", `${strange} is not hosted`);
  const { MessageBody, DelaySeconds = 0 } = entry;
  if (typeof MessageBody !== "string" || MessageBody === "") {
    throw new ServiceError(400, "MissingParameter", "The request must contain the parameter MessageBody.");
  }
  const bytes = Buffer.byteLength(MessageBody);
  if (bytes > model.largestMessageBytes) {
    throw new ServiceError(
      400,
      "InvalidParameterValue",
      `Message must be shorter than ${model.largestMessageBytes} bytes.`,
    );
  }
  if (!Number.isInteger(DelaySeconds) || DelaySeconds < 0 || DelaySeconds > LONGEST_DELAY_SECONDS) {
    throw new ServiceError(400, "InvalidParameterValue", `DelaySeconds must be >= 0 and <= ${LONGEST_DELAY_SECONDS}.`);
  }
  // The characters of XML 1.0.
  if (/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u.test(MessageBody)) {
    throw new ServiceError(400, "InvalidMessageContents", "The message contains characters outside the allowed set.");
  }
  return bytes;
}

function answer(body: unknown) {
  return Promise.resolve(jsonResponse(200, CONTENT_TYPE, body));
}
