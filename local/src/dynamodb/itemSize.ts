/**
 * Size of an item and the capacity units that DynamoDB bills for it.
 *
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
 */
import type { AttributeValue, Item } from "dynalite/db/index.js";

const WRITE_UNIT_BYTES = 1024;
const READ_UNIT_BYTES = 4096;

export function itemSize(item: Item | undefined): number {
  if (item === undefined) return 0;
  return Object.entries(item).reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + valueSize(value), 0);
}

/** A write is billed by the larger of the item before and after; an item that is absent counts as one unit. */
export function writeUnits(before: Item | undefined, after: Item | undefined, transactional = false): number {
  const units = Math.max(1, Math.ceil(Math.max(itemSize(before), itemSize(after)) / WRITE_UNIT_BYTES));
  return transactional ? 2 * units : units;
}

/** `bytes` are of one item, or of all items that a query looked at. */
export function readUnits(bytes: number, consistency: "eventual" | "strong" | "transactional"): number {
  const units = Math.max(1, Math.ceil(bytes / READ_UNIT_BYTES));
  return consistency === "transactional" ? 2 * units : consistency === "strong" ? units : units / 2;
}

function valueSize(value: AttributeValue): number {
  const [[type, content] = ["NULL", true]] = Object.entries(value);
  switch (type) {
    case "S":
      return Buffer.byteLength(String(content));
    case "B":
      return binarySize(String(content));
    case "N":
      return numberSize(String(content));
    case "SS":
      return sum(content as readonly string[], (text) => Buffer.byteLength(text));
    case "BS":
      return sum(content as readonly string[], binarySize);
    case "NS":
      return sum(content as readonly string[], numberSize);
    case "L":
      return 3 + sum(content as readonly AttributeValue[], (item) => 1 + valueSize(item));
    case "M": {
      const entries = Object.entries(content as Readonly<Record<string, AttributeValue>>);
      return 3 + sum(entries, ([name, item]) => 1 + Buffer.byteLength(name) + valueSize(item));
    }
    default:
      // BOOL and NULL
      return 1;
  }
}

function binarySize(base64: string): number {
  return Buffer.byteLength(base64, "base64");
}

/** One byte for every two significant digits, one more, and one for a sign. */
function numberSize(text: string): number {
  const digits = text
    .replace(/[eE].*$/, "")
    .replace(/[-+.]/g, "")
    .replace(/^0+/, "")
    .replace(/0+$/, "");
  if (digits === "") return 1;
  return 1 + Math.ceil(digits.length / 2) + (text.startsWith("-") ? 1 : 0);
}

function sum<T>(values: readonly T[], size: (value: T) => number): number {
  return values.reduce((total, value) => total + size(value), 0);
}
