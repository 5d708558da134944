/** Frames: one JSON object each, in text. Everything that arrives is parsed into a closed union, on both sides. */
import * as v from "valibot";
import { errorCodes, type ErrorCode } from "./errorCodes.ts";
import { limits } from "./limits.ts";
import { operations, type Answer, type AnyRequest, type Operation } from "./operations.ts";
import { requestId, seq, time, turn } from "./primitives.ts";
import { byePush } from "./pushes/bye.ts";
import { entriesPush } from "./pushes/entries.ts";
import { inboxPush } from "./pushes/inbox.ts";
import { signalPush } from "./pushes/signal.ts";

/** A refusal. Never says what failed inside. */
export const refusal = v.object({
  code: v.picklist(Object.keys(errorCodes) as [ErrorCode, ...ErrorCode[]]),
  retryable: v.boolean(),
  /** For developers; not to be parsed. */
  message: v.string(),
  /** With `internal`: what to quote to the operator. */
  requestId: v.optional(v.string()),
  /** With `stale` and `conversation_exists`: the log as it is now. */
  head: v.optional(v.object({ seq, turn })),
  /** With `clock_skew`, `token_expired`, `proof_replayed` and `lease_expired`; with `device_revoked` where the upgrade found that. */
  serverTime: v.optional(time),
  /** With `rate_limited` and `busy`: milliseconds to wait. */
  retryAfter: v.optional(v.number()),
});
export type Refusal = v.InferOutput<typeof refusal>;

/** A request on its way: `{ id, op, …fields }`. */
export type RequestFrame = { readonly id: string } & AnyRequest;

export type ParsedRequest =
  | { readonly ok: true; readonly id: string; readonly request: AnyRequest }
  | {
      readonly ok: false;
      readonly id: string | undefined;
      readonly code: "malformed" | "unknown_operation" | "frame_too_large";
      readonly message: string;
    };

/** The server's side: a frame's text to a request. Never throws. */
export function parseRequest(text: string): ParsedRequest {
  if (utf8Length(text) > limits.requestFrame) {
    return { ok: false, id: undefined, code: "frame_too_large", message: `a frame holds ${limits.requestFrame} bytes` };
  }
  const frame = parseObject(text);
  if (frame === undefined) return { ok: false, id: undefined, code: "malformed", message: "not a JSON object" };
  const { id: rawId, op, ...fields } = frame;
  const id = v.safeParse(requestId, rawId);
  if (!id.success) return { ok: false, id: undefined, code: "malformed", message: "id: missing or not a request id" };
  if (typeof op !== "string" || !Object.hasOwn(operations, op)) {
    return { ok: false, id: id.output, code: "unknown_operation", message: "op: unknown operation" };
  }
  const operation = op as Operation;
  const parsed = v.safeParse(operations[operation].request, fields);
  if (!parsed.success) {
    // The path names fields of our schema; the offending value is not repeated.
    const path = v.getDotPath(parsed.issues[0]) ?? "request";
    return { ok: false, id: id.output, code: "malformed", message: `${path.slice(0, 100)}: invalid` };
  }
  return { ok: true, id: id.output, request: { op: operation, ...parsed.output } as AnyRequest };
}

const answerFrame = v.union([
  v.object({ id: requestId, ok: v.record(v.string(), v.unknown()) }),
  v.object({ id: v.nullable(requestId), error: refusal }),
]);
const push = v.variant("push", [entriesPush, inboxPush, signalPush, byePush]);
export type Push = v.InferOutput<typeof push>;

export type ServerFrame =
  | { readonly kind: "ok"; readonly id: string; readonly body: Readonly<Record<string, unknown>> }
  | { readonly kind: "error"; readonly id: string | null; readonly error: Refusal }
  | { readonly kind: "push"; readonly push: Push }
  /** API Gateway's own error, e.g. for a function that failed. */
  | { readonly kind: "platformError"; readonly message: string }
  /** Nothing that this version knows: to be ignored, the log is what counts. */
  | { readonly kind: "unknown" };

/** The client's side: a frame's text to what it is. Never throws. Unknown fields are dropped. */
export function parseServerFrame(text: string): ServerFrame {
  const frame = parseObject(text);
  if (frame === undefined) return { kind: "unknown" };
  if ("push" in frame) {
    const parsed = v.safeParse(push, frame);
    return parsed.success ? { kind: "push", push: parsed.output } : { kind: "unknown" };
  }
  const parsed = v.safeParse(answerFrame, frame);
  if (parsed.success) {
    return "ok" in parsed.output
      ? { kind: "ok", id: parsed.output.id, body: parsed.output.ok }
      : { kind: "error", id: parsed.output.id, error: parsed.output.error };
  }
  if (typeof frame["message"] === "string" && typeof frame["connectionId"] === "string") {
    return { kind: "platformError", message: frame["message"] };
  }
  return { kind: "unknown" };
}

/** The body of an `ok` answer to `operation`, or undefined where it is not of that shape. */
export function parseAnswer<O extends Operation>(operation: O, body: unknown): Answer<O> | undefined {
  const parsed = v.safeParse(operations[operation].answer, body);
  return parsed.success ? parsed.output : undefined;
}

/** A refusal of `code`, with what the code's table says of it. */
export function refuse(
  code: ErrorCode,
  message: string,
  more: Partial<Omit<Refusal, "code" | "retryable" | "message">> = {},
): Refusal {
  return { code, retryable: errorCodes[code].retryable, message, ...more };
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/** Bytes of `text` in UTF-8, without platform globals. A lone surrogate counts three, as encoders replace it. */
export function utf8Length(text: string): number {
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) length += 1;
    else if (unit < 0x800) length += 2;
    else if (unit >= 0xd800 && unit < 0xdc00 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
      length += 4;
      i++;
    } else length += 3;
  }
  return length;
}
