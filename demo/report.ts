/** Says in tables what the cloud stored and what it would have billed. */
import type { LocalCloud } from "@tacit/local";
import type { StoredFields, StoredValue } from "./cloudEvents.ts";
import { costEvent } from "./observer.ts";
import { inWords } from "./page/attributes.ts";
import { fromBase64, hexEnd } from "./page/bytes.ts";
import { text } from "./page/summary.ts";
import type { Line } from "./script.ts";
import { itemSize, storedFields } from "./storedItem.ts";

const shownBytes = 48;

type StoringCloud = Pick<LocalCloud, "tables" | "bucketObjects">;

export function transcriptReport(lines: readonly Line[]): string {
  return lines
    .map(
      ({ from, text }, index) => `  ${String(index + 1).padStart(2)}  ${from === "alice" ? "Alice" : "Bob  "}  ${text}`,
    )
    .join("\n");
}

export async function storageReport(cloud: StoringCloud): Promise<string> {
  const tables = await cloud.tables();
  const objects = cloud.bucketObjects();
  const rows = tables.map(({ logicalId, items }) => [
    logicalId.replace(/(Table)?[0-9A-F]{8}$/, ""),
    count(items.length),
    count(items.reduce((sum, item) => sum + itemSize(item), 0)),
  ]);
  const objectBytes = objects.reduce((sum, { body }) => sum + (body?.length ?? 0), 0);
  const table = columns([
    ["", "items", "bytes"],
    ...rows,
    ["Blobs (bucket)", count(objects.length), count(objectBytes)],
  ]);
  const log = tables.find(({ logicalId }) => logicalId.startsWith("Log"))?.items ?? [];
  const newest = log.map(storedFields).sort(byTime).at(-1);
  return newest === undefined
    ? table
    : `${table}\n\nThe newest entry of the log, as the cloud has it:\n\n${itemReport(newest)}`;
}

function byTime(left: StoredFields, right: StoredFields): number {
  return Number(left["a"]) - Number(right["a"]);
}

/** Each attribute on a line; bytes as hex. */
function itemReport(item: StoredFields): string {
  const named = Object.entries(inWords("Log", item));
  const width = Math.max(...named.map(([name]) => name.length));
  return named.map(([name, value]) => `  ${name.padEnd(width)}  ${hex(value) ?? text(value)}`).join("\n");
}

function hex(value: StoredValue): string | undefined {
  if (typeof value !== "object" || value === null || !("bytes" in value)) return undefined;
  const bytes = fromBase64(value.bytes);
  return `${hexEnd(bytes, shownBytes)} (${bytes.length} bytes)`;
}

export function costReport(cloud: Pick<LocalCloud, "meter">): string {
  const { lines, dollars: total } = costEvent(cloud.meter.snapshot().usage);
  return columns([
    ["", "count", "dollars"],
    ...lines.map((line) => [line.name, count(line.count), dollars(line.dollars)]),
    ["together", "", dollars(total)],
  ]);
}

/** Where any of `texts` can be read in what is stored, plainly or in base64; empty where nowhere. */
export async function findPlaintext(cloud: StoringCloud, texts: readonly string[]): Promise<readonly string[]> {
  const tables = await cloud.tables();
  const places = [
    ...tables.flatMap(({ logicalId, items }) => items.map((item) => [logicalId, readings(item)] as const)),
    ...cloud.bucketObjects().map(({ key, body }) => [key, body?.toString("latin1") ?? ""] as const),
  ];
  return places.flatMap(([place, content]) =>
    texts.filter((text) => content.includes(text)).map((text) => `"${text}" can be read in ${place}`),
  );
}

/** The item as text, and every string in it as what it would be in base64. */
function readings(item: unknown): string {
  const found: string[] = [];
  const look = (value: unknown): void => {
    if (value instanceof Uint8Array) found.push(Buffer.from(value).toString("latin1"));
    else if (typeof value === "string") found.push(value, Buffer.from(value, "base64").toString("latin1"));
    else if (typeof value === "object" && value !== null) Object.values(value).forEach(look);
  };
  look(item);
  return found.join("\n");
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))),
    )
    .map((cells) => `  ${cells.join("  ")}`.trimEnd())
    .join("\n");
}

function count(value: number): string {
  return value.toLocaleString("en", { maximumFractionDigits: 2 });
}

function dollars(value: number): string {
  return value.toFixed(8);
}
