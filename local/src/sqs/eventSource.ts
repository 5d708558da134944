/**
 * Lambda's side of a queue: it polls in the name of the function's role, invokes the function with what it got, and deletes what was
 * not named as failed. What failed is seen again when its visibility timeout is over.
 *
 * https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
 */
import type { EventSourceModel } from "../cloudformation/deployment.ts";
import type { Faults } from "../faults.ts";
import type { AccessControl, Caller } from "../iam/accessControl.ts";
import type { Kms } from "../kms/kms.ts";
import type { FunctionHost, InvocationResult } from "../lambda/functionHost.ts";
import { queueUnits, type Meter } from "../meter.ts";
import { ServiceError } from "../service.ts";
import type { Message, MessageQueue, ReceivedMessage } from "./messageQueue.ts";

export interface EventSource {
  /** Looks whether something became visible: time may have moved on. */
  wake(): void;
  /** Settles when no invocation is under way and no message is soon to be delivered for the first time; false where that was so. */
  settled(): Promise<boolean>;
  close(): void;
}

export interface EventSourceOptions {
  readonly model: EventSourceModel;
  readonly queue: MessageQueue;
  readonly host: FunctionHost;
  readonly caller: Caller;
  readonly region: string;
  readonly access: AccessControl;
  readonly kms: Kms;
  readonly meter: Meter;
  readonly faults: Faults;
  readonly now: () => number;
}

/** A timer's milliseconds are 31 bits. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** What is delayed for longer waits for the clock to be advanced. */
const PATIENCE_MS = 5_000;

export function createEventSource(options: EventSourceOptions): EventSource {
  const { model, queue, host, caller, region, access, kms, meter, faults, now } = options;
  const idle: (() => void)[] = [];
  /** Those that a fault held back already. */
  const heldBack = new Set<string>();
  let running = 0;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  /** Lambda gives up on a queue that the function's role may not poll. */
  let denied = false;
  // What is sent together is found together.
  queue.onArrival(() => wakeAfter(0));

  return {
    wake,
    async settled() {
      if (isIdle()) return false;
      await new Promise<void>((resolve) => void idle.push(resolve));
      return true;
    },
    close() {
      closed = true;
      clearTimeout(timer);
      notify();
    },
  };

  function wake(): void {
    clearTimeout(timer);
    while (!closed && !denied && running < model.maxConcurrency) {
      const batch = take();
      if (batch.length === 0) break;
      running += 1;
      void deliver(batch).finally(() => {
        running -= 1;
        wake();
      });
    }
    const next = queue.nextVisibleAt();
    if (next !== null && !closed && !denied) {
      const wait = Math.min(Math.max(next - now(), 0), LONGEST_TIMER_MS);
      // At full concurrency the end of an invocation wakes it.
      if (running < model.maxConcurrency) wakeAfter(wait);
    }
    notify();
  }

  function wakeAfter(milliseconds: number): void {
    clearTimeout(timer);
    if (!closed) timer = setTimeout(wake, milliseconds).unref();
  }

  function isIdle(): boolean {
    return closed || (running === 0 && (denied || !queue.hasUndelivered(now() + PATIENCE_MS)));
  }

  function notify(): void {
    if (isIdle()) for (const resolve of idle.splice(0)) resolve();
  }

  /** What the next invocation gets, with the faults of the messages in it. */
  function take(): readonly ReceivedMessage[] {
    const visible = queue.visible();
    if (visible.length === 0) return [];
    if (!may("sqs:ReceiveMessage") || !may("sqs:GetQueueAttributes") || !mayUseKey()) {
      denied = true;
      return [];
    }
    const batch: Message[] = [];
    const behind: Message[] = [];
    for (const message of visible) {
      if (batch.length === model.batchSize) break;
      if (heldBack.delete(message.id)) {
        batch.push(message);
        continue;
      }
      const effects = faults.on(call("ReceiveMessage", message));
      if (effects.delay > 0) {
        heldBack.add(message.id);
        queue.postpone(message, effects.delay);
        continue;
      }
      // The copy is none of a first delivery, so that this ends.
      if (effects.has("repeat") && message.receiveCount === 0) queue.repeat(message);
      if (effects.has("reorder")) behind.unshift(message);
      else batch.push(message);
    }
    const received = [...batch, ...behind].slice(0, model.batchSize).map((message) => queue.receive(message));
    if (received.length > 0) {
      const bytes = received.reduce((sum, { body }) => sum + Buffer.byteLength(body), 0);
      meter.add("sqs:ReceiveMessage", { sqsRequests: queueUnits(bytes) });
    }
    return received;
  }

  async function deliver(batch: readonly ReceivedMessage[]): Promise<void> {
    const result = await host.invoke({ Records: batch.map((message) => recordOf(message, queue, region)) });
    if (closed) return;
    const failed = model.reportsFailures ? failedOf(result, batch) : result.kind === "error" ? "all" : new Set();
    if (failed === "all") return;
    const done = batch.filter(({ id }) => !failed.has(id));
    if (done.length === 0 || !may("sqs:DeleteMessage")) return;
    meter.add("sqs:DeleteMessage", { sqsRequests: 1 });
    for (const message of done) {
      if (!faults.on(call("DeleteMessage", message)).has("drop")) queue.delete(message.receiptHandle);
    }
  }

  function may(action: string): boolean {
    const { arn: resource, policy: resourcePolicy } = queue.model;
    return access.check(caller, { action, resource, resourcePolicy }) === null;
  }

  function mayUseKey(): boolean {
    if (queue.model.kmsKeyArn === null) return true;
    try {
      kms.authorizeVia("sqs", caller, queue.model.kmsKeyArn, ["kms:Decrypt"]);
      return true;
    } catch (error) {
      if (error instanceof ServiceError) return false;
      throw error;
    }
  }

  function call(operation: "ReceiveMessage" | "DeleteMessage", { id, body, receiveCount }: Message) {
    return {
      service: "sqs",
      operation,
      function: host.model.logicalId,
      requestId: null,
      nth: 0,
      input: { queue: queue.model.logicalId, messageId: id, body, receiveCount },
    } as const;
  }
}

/**
 * What the function says it could not do. An answer that is not understood counts as that of a whole batch that failed.
 *
 * https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
 */
function failedOf(result: InvocationResult, batch: readonly ReceivedMessage[]): ReadonlySet<string> | "all" {
  if (result.kind === "error") return "all";
  const failures = (result.payload as { readonly batchItemFailures?: unknown } | null)?.batchItemFailures ?? [];
  if (!Array.isArray(failures)) return "all";
  const ids = failures.map((failure) => (failure as { readonly itemIdentifier?: unknown } | null)?.itemIdentifier);
  const known = new Set<unknown>(batch.map(({ id }) => id));
  return ids.every((id) => known.has(id)) ? new Set(ids as string[]) : "all";
}

function recordOf(message: ReceivedMessage, { model }: MessageQueue, region: string): object {
  const { id, receiptHandle, body, md5, sentAt, senderId, receiveCount, firstReceivedAt } = message;
  return {
    messageId: id,
    receiptHandle,
    body,
    attributes: {
      ApproximateReceiveCount: String(receiveCount),
      SentTimestamp: String(sentAt),
      SenderId: senderId,
      ApproximateFirstReceiveTimestamp: String(firstReceivedAt),
    },
    messageAttributes: {},
    md5OfBody: md5,
    eventSource: "aws:sqs",
    eventSourceARN: model.arn,
    awsRegion: region,
  };
}
