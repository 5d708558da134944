/**
 * The messages of one standard queue: delayed, visible, or hidden while somebody has them. In memory, also where the cloud has a
 * data directory: what waits in a queue is for the next seconds.
 *
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html
 */
import { createHash, randomUUID } from "node:crypto";
import type { QueueModel } from "../cloudformation/deployment.ts";

export interface Message {
  readonly id: string;
  readonly body: string;
  readonly md5: string;
  readonly senderId: string;
  readonly sentAt: number;
  readonly firstReceivedAt: number | null;
  readonly receiveCount: number;
}

export interface ReceivedMessage extends Message {
  readonly receiptHandle: string;
}

export interface MessageQueue {
  readonly model: QueueModel;
  send(body: string, delaySeconds: number | null, senderId: string): Message;
  /** What could be received now, in the order of sending. Hands over what was tried too often. */
  visible(): readonly Message[];
  /** Hides the message for the visibility timeout. */
  receive(message: Message): ReceivedMessage;
  /** Hides the message for a while, without anybody having received it. */
  postpone(message: Message, milliseconds: number): void;
  /** Has the message delivered once more than it is, whatever becomes of it. */
  repeat(message: Message): void;
  /** Nothing happens where the message was received again since. */
  delete(receiptHandle: string): void;
  /** When the next message becomes visible, which may be over; null when none will. */
  nextVisibleAt(): number | null;
  /** Whether a message waits for its first delivery, and will be visible by then. */
  hasUndelivered(by: number): boolean;
  /** Less what is too old. */
  all(): readonly Message[];
  /** Takes a message over from the queue where it was tried too often; its age goes on. */
  takeOver(message: Message): void;
  /** Called when a message came in. */
  onArrival(listener: () => void): void;
}

interface Stored extends Message {
  readonly wasReceived: boolean;
  readonly visibleAt: number;
  readonly receiptHandle: string | null;
}

export function createMessageQueue(
  model: QueueModel,
  deadLetters: MessageQueue | null,
  now: () => number,
): MessageQueue {
  /** By a key of this process: a message that is delivered twice is there twice. */
  const messages = new Map<number, Stored>();
  const keys = new WeakMap<Message, number>();
  const listeners: (() => void)[] = [];
  let lastKey = 0;

  function put(stored: Stored, key = ++lastKey): Stored {
    messages.set(key, stored);
    keys.set(stored, key);
    return stored;
  }

  /** The message as it is now, if it is still there. */
  function change(message: Message, changes: Partial<Stored>): Stored {
    const key = keys.get(message);
    const stored = key === undefined ? undefined : messages.get(key);
    if (key === undefined || !stored) throw new Error(`${model.name}: the message is gone`);
    return put({ ...stored, ...changes }, key);
  }

  function forgetOld(): void {
    const oldest = now() - model.retentionSeconds * 1000;
    for (const [key, { sentAt }] of messages) if (sentAt <= oldest) messages.delete(key);
  }

  function arrived(): void {
    for (const listener of listeners) listener();
  }

  return {
    model,
    send(body, delaySeconds, senderId) {
      const message = put({
        id: randomUUID(),
        body,
        md5: createHash("md5").update(body).digest("hex"),
        senderId,
        sentAt: now(),
        firstReceivedAt: null,
        receiveCount: 0,
        wasReceived: false,
        visibleAt: now() + (delaySeconds ?? model.delaySeconds) * 1000,
        receiptHandle: null,
      });
      arrived();
      return message;
    },
    visible() {
      forgetOld();
      const time = now();
      const visible = [...messages].filter(([, { visibleAt }]) => visibleAt <= time);
      const isDead = ({ receiveCount }: Message) =>
        model.redrive !== null && receiveCount >= model.redrive.maxReceiveCount;
      for (const [key, message] of visible) {
        if (!isDead(message)) continue;
        messages.delete(key);
        deadLetters?.takeOver(message);
      }
      return visible.flatMap(([, message]) => (isDead(message) ? [] : [message]));
    },
    receive(message) {
      const time = now();
      const receiptHandle = randomUUID();
      const received = change(message, {
        receiptHandle,
        wasReceived: true,
        receiveCount: message.receiveCount + 1,
        firstReceivedAt: message.firstReceivedAt ?? time,
        visibleAt: time + model.visibilitySeconds * 1000,
      });
      return { ...received, receiptHandle };
    },
    postpone: (message, milliseconds) => void change(message, { visibleAt: now() + milliseconds }),
    repeat: (message) => void put({ ...change(message, {}), receiveCount: message.receiveCount + 1 }),
    delete(receiptHandle) {
      for (const [key, message] of messages) if (message.receiptHandle === receiptHandle) messages.delete(key);
    },
    nextVisibleAt: () =>
      [...messages.values()].reduce<number | null>(
        (next, { visibleAt }) => (next === null || visibleAt < next ? visibleAt : next),
        null,
      ),
    hasUndelivered: (by) =>
      [...messages.values()].some(({ wasReceived, visibleAt }) => !wasReceived && visibleAt <= by),
    all() {
      forgetOld();
      return [...messages.values()];
    },
    takeOver(message) {
      put({ ...message, wasReceived: false, visibleAt: now(), receiptHandle: null });
      arrived();
    },
    onArrival: (listener) => void listeners.push(listener),
  };
}
