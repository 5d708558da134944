/**
 * Faults on request: what a distributed system does to its users now and then, done when a test says so. Every request
 * to a service, every delivery of the gateway or of a
 * queue and every expiry is a {@link Call}; a fault chooses calls and an effect.
 */
export interface Call {
  readonly service: "dynamodb" | "s3" | "kms" | "sqs" | "execute-api" | "gateway";
  /** `PutItem`, `PostToConnection`, `TimeToLive` and so on; of the gateway the key of the route, or `authorizer`;
   * of a queue that Lambda polls `ReceiveMessage` and `DeleteMessage`, for each message.
   */
  readonly operation: string;
  /** Logical id of the function that calls, or is invoked; null for a browser with a presigned URL. */
  readonly function: string | null;
  /** The invocation that the call is part of. */
  readonly requestId: string | null;
  /** Which of the invocation's calls this is, from 1. */
  readonly nth: number;
  readonly input: unknown;
}

export type Effect =
  /** Of a message in a queue: by the cloud's clock. */
  | { readonly kind: "delay"; readonly milliseconds: number }
  /** The service's own way to say "too many requests". */
  | { readonly kind: "throttle" }
  /** DynamoDB: another transaction holds the item. */
  | { readonly kind: "conflict" }
  | { readonly kind: "fail"; readonly statusCode: number; readonly type: string; readonly message?: string }
  /** The connection breaks before anything is done. */
  | { readonly kind: "loseRequest" }
  /** It is done, and the connection breaks before the answer. */
  | { readonly kind: "loseAnswer" }
  /** Answered as if done, and not done: a lost push, a `$disconnect` that never comes, an item that TTL has yet to delete, a message that
   * stays in its queue although it was deleted.
   */
  | { readonly kind: "drop" }
  /** An eventually consistent read sees each item as it was before its last write. */
  | { readonly kind: "stale" }
  /** Every second key of a batch is left unprocessed, every second message of a batch not taken. */
  | { readonly kind: "unprocessed" }
  /** A message in a queue is delivered once more. */
  | { readonly kind: "repeat" }
  /** A message in a queue is delivered after those that were sent after it. */
  | { readonly kind: "reorder" }
  /** The calling function dies, before the call is done or after it. */
  | { readonly kind: "kill"; readonly when: "before" | "after" };

export interface Fault {
  readonly when: (call: Call) => boolean;
  readonly effect: Effect;
  /** How often it happens. Default: every time. */
  readonly times?: number;
}

export interface InjectedFault {
  /** How often it happened so far. */
  readonly count: number;
  remove(): void;
}

export interface Faults {
  inject(fault: Fault): InjectedFault;
  clear(): void;
  /** The effects on this call; counts them. */
  on(call: Call): Effects;
}

export interface Effects {
  has(kind: Exclude<Effect["kind"], "delay" | "fail" | "kill">): boolean;
  readonly delay: number;
  readonly failure: Extract<Effect, { kind: "fail" }> | null;
  readonly kill: "before" | "after" | null;
}

export function createFaults(initial: readonly Fault[]): Faults {
  const active = new Set<{ fault: Fault; count: number }>();
  const faults: Faults = {
    inject(fault) {
      const entry = { fault, count: 0 };
      active.add(entry);
      return {
        get count() {
          return entry.count;
        },
        remove: () => void active.delete(entry),
      };
    },
    clear: () => active.clear(),
    on(call) {
      const effects: Effect[] = [];
      for (const entry of active) {
        if (entry.count >= (entry.fault.times ?? Infinity) || !entry.fault.when(call)) continue;
        entry.count += 1;
        effects.push(entry.fault.effect);
      }
      return {
        has: (kind) => effects.some((effect) => effect.kind === kind),
        delay: effects.reduce((sum, effect) => sum + (effect.kind === "delay" ? effect.milliseconds : 0), 0),
        failure: effects.find((effect) => effect.kind === "fail") ?? null,
        kill: effects.find((effect) => effect.kind === "kill")?.when ?? null,
      };
    },
  };
  for (const fault of initial) faults.inject(fault);
  return faults;
}
