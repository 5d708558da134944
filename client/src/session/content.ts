/**
 * What is inside an application message: UTF-8 JSON
 *
 *     { "v": 1, "id", "text", "sentAt", "record", "log"?: { "seq", "hash" } }
 *
 * `id`: 16 random bytes, unique for the sender; readers drop copies by it. `record`: `{ "version", "hash" }` of the account record that
 * the sender has of its own account (hash: SHA-256 of its payload). `log`: the log as the sender last saw it (logChain.ts). Unknown fields are ignored; a higher `v` is
 * content that this version cannot read. MLS pads it with zeros to a multiple of 64 bytes, above 1,024 to a multiple of 1,024.
 */
import { entryId, hash } from "@tacit/protocol";
import { isCount, parseJson, utf8 } from "./bytes.ts";
import { parse } from "./parse.ts";
import { decodeRecordMark, type RecordMark } from "./identity/recordMark.ts";

/** A place in the log, and the hash up to it; base64url. */
export interface LogMark {
  readonly seq: number;
  readonly hash: string;
}

export interface Content {
  readonly id: string;
  readonly text: string;
  readonly sentAt: number;
  readonly record: RecordMark;
  readonly log: LogMark | undefined;
}

export function encodeContent({ id, text, sentAt, record, log }: Content): Uint8Array {
  return utf8(JSON.stringify({ v: 1, id, text, sentAt, record, log }));
}

/** Undefined where it is no content of this version. */
export function decodeContent(bytes: Uint8Array): Content | undefined {
  const content = parseJson(bytes);
  if (content === undefined || content["v"] !== 1) return undefined;
  const { id, text, sentAt } = content;
  const record = decodeRecordMark(content["record"]);
  const log = decodeMark(content["log"]);
  if (parse(entryId, id) === undefined || typeof text !== "string" || !isCount(sentAt) || record === undefined)
    return undefined;
  if (content["log"] !== undefined && log === undefined) return undefined;
  return { id: id as string, text, sentAt, record, log };
}

export function decodeMark(value: unknown): LogMark | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { seq, hash: mark } = value as Readonly<Record<string, unknown>>;
  return isCount(seq) && parse(hash, mark) !== undefined ? { seq, hash: mark as string } : undefined;
}

/** Zero bytes to add to `length` bytes of content. */
export function paddingFor(length: number): number {
  const step = length <= 1_024 ? 64 : 1_024;
  return Math.ceil(length / step) * step - length;
}
