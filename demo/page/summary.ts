/** One line for each kind of stored item. */
import type { StoredFields, StoredValue } from "../cloudEvents.ts";
import type { TableName } from "./attributes.ts";
import { fromBase64, hexEnd } from "./bytes.ts";

export type Summary = {
  readonly place: string;
  readonly kind: string;
  readonly rest: string;
  readonly bytes: string;
};

const shownBytes = 64;

/** Of an item under full names. */
export function summarise(table: TableName, item: StoredFields): Summary {
  const largest = largestBytes(item);
  const bytes = largest === undefined ? "" : hexEnd(fromBase64(largest), shownBytes);
  const say = (name: string): string => text(item[name]);
  switch (table) {
    case "Log":
      return { place: `#${say("seq")}`, kind: say("kind"), rest: `turn ${say("turn")}`, bytes };
    case "Conversations":
      return { place: short(say("conversation")), kind: `turn ${say("turn")}`, rest: say("roster"), bytes: "" };
    case "Inbox":
      return { place: `device ${short(say("device"))}`, kind: say("state"), rest: "", bytes };
    case "Directory":
      return { place: say("account"), kind: directoryKind(say("record")), rest: "", bytes };
    case "Connections":
      return { place: say("account"), kind: sockets(item), rest: "", bytes: "" };
  }
}

function directoryKind(record: string): string {
  const [kind = ""] = record.split("#");
  const kinds = new Map([
    ["record", "account record"],
    ["kp", "key package, single-use"],
    ["lr", "key package, last resort"],
    ["proof", "proof of possession, used"],
    ["limit", "rate limit"],
  ]);
  return kinds.get(kind) ?? kind;
}

function sockets(item: StoredFields): string {
  const count = Object.keys(item).filter((name) => name.startsWith("device ")).length;
  return count === 0 ? "no socket" : count === 1 ? "one socket" : `${count} sockets`;
}

/** The largest bytes anywhere in the item, as base64: what it is about. */
export function largestBytes(item: StoredFields): string | undefined {
  let largest: string | undefined;
  const look = (value: StoredValue): void => {
    if (typeof value !== "object" || value === null) return;
    if (Array.isArray(value)) value.forEach(look);
    else if ("bytes" in value && typeof value.bytes === "string") {
      if (value.bytes.length > (largest?.length ?? 0)) largest = value.bytes;
    } else if ("fields" in value) Object.values(value.fields).forEach(look);
  };
  Object.values(item).forEach(look);
  return largest;
}

/** A value in words; bytes as their number. */
export function text(value: StoredValue | undefined): string {
  if (value === undefined || value === null) return "";
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) return value.map(text).join(", ");
  if ("bytes" in value && typeof value.bytes === "string") return `${fromBase64(value.bytes).length} bytes`;
  const { fields } = value as { readonly fields: StoredFields };
  return Object.entries(fields)
    .map(([name, part]) => `${name} ${text(part)}`)
    .join("\n");
}

function short(name: string, length = 14): string {
  return name.length > length ? `${name.slice(0, length)}…` : name;
}
