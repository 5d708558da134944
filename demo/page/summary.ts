/** One line for each kind of stored item. */
import type { StoredFields, StoredValue } from "../cloudEvents.ts";
import { fromBase64, hexStart } from "./bytes.ts";

export type Summary = {
  readonly place: string;
  readonly kind: string;
  readonly rest: string;
  readonly bytes: string;
};

const startBytes = 64;

export function summarise(table: string, item: StoredFields): Summary {
  const bytes = largestBytes(item);
  const start = bytes === undefined ? "" : hexStart(fromBase64(bytes), startBytes);
  switch (table) {
    case "Log":
      return {
        place: `#${text(item["seq"])}`,
        kind: text(item["kind"]),
        rest: `turn ${text(item["turn"])}`,
        bytes: start,
      };
    case "Conversations":
      return { place: short(text(item["conversation"])), kind: "roster", rest: text(item["roster"]), bytes: start };
    case "Inbox":
      return { place: short(text(item["device"])), kind: text(item["kind"]), rest: "", bytes: start };
    case "Directory":
      return { place: text(item["account"]), kind: short(text(item["record"]), 24), rest: "", bytes: start };
    default:
      return { place: text(item["account"]), kind: "sockets", rest: "", bytes: start };
  }
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
    .map(([name, part]) => `${name}: ${text(part)}`)
    .join("\n");
}

function short(name: string, length = 12): string {
  return name.length > length ? `${name.slice(0, length)}…` : name;
}
