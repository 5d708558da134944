/** Items as DynamoDB writes them, turned into what the page shows. */
import type { StoredItem } from "@tacit/local";
import type { StoredFields, StoredValue } from "./cloudEvents.ts";

type Attribute = Readonly<Record<string, unknown>>;

export function storedFields(item: StoredItem): StoredFields {
  return Object.fromEntries(Object.entries(item).map(([name, attribute]) => [name, storedValue(attribute)]));
}

/** https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html */
function storedValue(attribute: Attribute): StoredValue {
  const [[type, value] = ["NULL", true]] = Object.entries(attribute);
  switch (type) {
    case "S":
      return String(value);
    case "N":
      return Number(value);
    case "BOOL":
      return value === true;
    case "B":
      return { bytes: base64(value) };
    case "L":
      return (value as readonly Attribute[]).map(storedValue);
    case "M":
      return { fields: storedFields(value as StoredItem) };
    case "SS":
      return (value as readonly string[]).map(String);
    case "NS":
      return (value as readonly string[]).map(Number);
    case "BS":
      return (value as readonly unknown[]).map((bytes) => ({ bytes: base64(bytes) }));
    default:
      return null;
  }
}

function base64(value: unknown): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString("base64") : String(value);
}

/**
 * The item's size as DynamoDB counts it, in bytes.
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
 */
export function itemSize(item: StoredItem): number {
  return Object.entries(item).reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + attributeSize(value), 0);
}

function attributeSize(attribute: Attribute): number {
  const [[type, value] = ["NULL", true]] = Object.entries(attribute);
  switch (type) {
    case "S":
      return Buffer.byteLength(String(value));
    case "N":
      return Math.ceil(String(value).replace(/[-.]/g, "").length / 2) + 1;
    case "B":
      return Buffer.from(base64(value), "base64").length;
    case "L":
      return 3 + (value as readonly Attribute[]).reduce((sum, part) => sum + 1 + attributeSize(part), 0);
    case "M":
      return 3 + Object.keys(value as StoredItem).length + itemSize(value as StoredItem);
    case "SS":
    case "NS":
      return (value as readonly string[]).reduce((sum, part) => sum + Buffer.byteLength(part), 0);
    case "BS":
      return (value as readonly unknown[]).reduce<number>(
        (sum, part) => sum + Buffer.from(base64(part), "base64").length,
        0,
      );
    default:
      return 1;
  }
}
