/** The objects of one bucket with their versions, in memory and, given a directory, on disk. */
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BucketModel } from "../cloudformation/deployment.ts";

const DAY_MS = 86_400_000;

export interface ObjectVersion {
  readonly versionId: string;
  /** Null for a delete marker. */
  readonly body: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
  /** Base64. */
  readonly sha256: string;
  readonly storedAt: number;
}

export interface ObjectStore {
  /** The newest version, null when there is none or it is a delete marker. */
  current(key: string): ObjectVersion | null;
  version(key: string, versionId: string): ObjectVersion | null;
  put(key: string, body: Buffer, headers: Readonly<Record<string, string>>): ObjectVersion;
  delete(key: string, versionId: string | null): void;
  /** Every version of every object, newest first. */
  all(): ReadonlyMap<string, readonly ObjectVersion[]>;
  applyLifecycle(now: number): void;
}

export function openObjectStore(bucket: BucketModel, directory: string | null, now: () => number): ObjectStore {
  const objects = new Map<string, readonly ObjectVersion[]>(directory === null ? [] : load(directory));

  return {
    current: (key) => newest(key),
    version: (key, versionId) => objects.get(key)?.find((candidate) => candidate.versionId === versionId) ?? null,
    put: (key, body, headers) => add(key, body, headers),
    delete(key, versionId) {
      if (versionId !== null)
        replace(
          key,
          (objects.get(key) ?? []).filter((version) => version.versionId !== versionId),
        );
      else if (bucket.versioned) add(key, null, {});
      else replace(key, []);
    },
    all: () => objects,
    applyLifecycle(time) {
      for (const key of Array.from(objects.keys())) {
        for (const rule of bucket.lifecycle.filter(({ prefix }) => key.startsWith(prefix))) {
          const current = newest(key);
          if (rule.expirationDays !== null && current && isDue(current.storedAt, rule.expirationDays, time)) {
            if (bucket.versioned) add(key, null, {});
            else replace(key, []);
          }
          const versions = objects.get(key) ?? [];
          // A version is noncurrent from the moment that the one after it was stored.
          const kept = versions.filter((_, index) => {
            const successor = versions[index - 1];
            return !successor || rule.noncurrentDays === null || !isDue(successor.storedAt, rule.noncurrentDays, time);
          });
          const lonelyMarker = rule.expiredDeleteMarkers && kept.length === 1 && kept[0]?.body === null;
          if (kept.length < versions.length || lonelyMarker) replace(key, lonelyMarker ? [] : kept);
        }
      }
    },
  };

  function newest(key: string): ObjectVersion | null {
    const version = objects.get(key)?.[0];
    return version?.body ? version : null;
  }

  function add(key: string, body: Buffer | null, headers: Readonly<Record<string, string>>): ObjectVersion {
    const version: ObjectVersion = {
      versionId: bucket.versioned ? randomBytes(24).toString("base64url") : "null",
      body,
      headers,
      sha256: createHash("sha256")
        .update(body ?? "")
        .digest("base64"),
      storedAt: now(),
    };
    replace(key, bucket.versioned ? [version, ...(objects.get(key) ?? [])] : [version]);
    return version;
  }

  function replace(key: string, versions: readonly ObjectVersion[]): void {
    if (versions.length === 0) objects.delete(key);
    else objects.set(key, versions);
    if (directory !== null) save(directory, key, versions);
  }
}

/** S3 rounds the time of an expiration up to the next midnight UTC. */
function isDue(storedAt: number, days: number, now: number): boolean {
  return now >= Math.ceil((storedAt + days * DAY_MS) / DAY_MS) * DAY_MS;
}

interface Stored {
  readonly key: string;
  readonly versions: readonly (Omit<ObjectVersion, "body"> & { readonly isDeleteMarker: boolean })[];
}

function load(directory: string): readonly (readonly [string, readonly ObjectVersion[]])[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory).map((name) => {
    const { key, versions } = JSON.parse(readFileSync(join(directory, name, "versions.json"), "utf8")) as Stored;
    return [
      key,
      versions.map(({ isDeleteMarker, ...version }) => ({
        ...version,
        body: isDeleteMarker ? null : readFileSync(join(directory, name, version.versionId)),
      })),
    ] as const;
  });
}

function save(root: string, key: string, versions: readonly ObjectVersion[]): void {
  const directory = join(root, createHash("sha256").update(key).digest("hex"));
  if (versions.length === 0) return rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  for (const { versionId, body } of versions) {
    const file = join(directory, versionId);
    if (body && !existsSync(file)) writeFileSync(file, body);
  }
  const stored: Stored = {
    key,
    versions: versions.map(({ body, ...version }) => ({ ...version, isDeleteMarker: body === null })),
  };
  writeFileSync(join(directory, "versions.json"), JSON.stringify(stored));
}
