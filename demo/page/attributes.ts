/** What the short names of stored attributes stand for. Attributes are named shortly because DynamoDB bills names too. */
import type { StoredFields, StoredValue } from "../cloudEvents.ts";

export type TableName = "Log" | "Conversations" | "Inbox" | "Directory" | "Connections";

const names: Readonly<Record<TableName, Readonly<Record<string, string>>>> = {
  Log: {
    k: "kind",
    t: "turn",
    i: "entry id",
    v: "previous",
    p: "ciphertext",
    h: "hash of blob",
    z: "size of blob",
    a: "accepted",
    x: "expires",
    ttl: "deletable from",
    w: "posted by",
    ra: "added to the roster",
    rr: "removed from the roster",
  },
  Conversations: {
    r: "roster",
    d: "dropped from the roster",
    ci: "last commit",
    cs: "seq of last commit",
    ca: "time of last commit",
    g: "generation",
    b: "predecessor",
  },
  Inbox: {
    s: "state",
    by: "claimed by",
    c: "conversation",
    q: "seq of the commit",
    t: "turn",
    k: "hash of the key package",
    p: "ciphertext",
    h: "hash of blob",
    z: "size of blob",
    a: "accepted",
    ttl: "deletable from",
  },
  Directory: { ttl: "deletable from", n: "count" },
  Connections: { ttl: "deletable from" },
};

const milliseconds: ReadonlySet<string> = new Set([
  "accepted",
  "expires",
  "time of last commit",
  "connected",
  "lease until",
]);
const seconds: ReadonlySet<string> = new Set(["deletable from"]);
const kinds: Readonly<Record<string, string>> = { m: "message", p: "proposal", c: "commit" };
const connectionNames: Readonly<Record<string, string>> = {
  c: "socket",
  a: "connected",
  l: "lease until",
  b: "blocked until",
};

/** The item under full names, moments as dates in text. */
export function inWords(table: TableName, item: StoredFields): StoredFields {
  return Object.fromEntries(
    Object.entries(item).map(([short, value]) => {
      const name = names[table][short] ?? short;
      if (table === "Log" && short === "k" && typeof value === "string") return [name, kinds[value] ?? value];
      if (table === "Connections" && short.startsWith("d#")) return [`device ${short.slice(2)}`, registration(value)];
      return [name, moment(name, value)];
    }),
  );
}

function registration(value: StoredValue): StoredValue {
  if (typeof value !== "object" || value === null || !("fields" in value)) return value;
  const named = Object.entries(value.fields).map(([short, part]): [string, StoredValue] => {
    const name = connectionNames[short] ?? short;
    return [name, moment(name, part)];
  });
  return { fields: Object.fromEntries(named) };
}

const dateAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

function moment(name: string, value: StoredValue): StoredValue {
  if (typeof value !== "number") return value;
  if (milliseconds.has(name)) return dateAndTime.format(value);
  return seconds.has(name) ? dateAndTime.format(value * 1_000) : value;
}
