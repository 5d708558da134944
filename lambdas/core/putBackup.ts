/**
 * `putBackup`: replaces the account's backup. Blobs are copied before the backup names them, and deleted after it names them no
 * more. A deletion that is under way must not meet a backup that names the blob again, so after one that left some out the next
 * waits until no invocation of that time can be alive.
 */
import type { BlobReference, Request } from "@tacit/protocol";
import type { BlobPlace, StoredBackup } from "../ports.ts";
import { afterLanding } from "./afterLanding.ts";
import type { Caller } from "./caller.ts";
import type { Done } from "./done.ts";
import { requireDistinct } from "./landing.ts";
import type { Relay } from "./relay.ts";
import { Refused } from "./refused.ts";

/** Milliseconds: longer than a function runs (10 s) and a request of its lasts (5 s). */
const settling = 20_000;
/** Within this a deletion may begin. Together with its invocation it is over before the next backup. */
const deleting = 5_000;

export async function putBackup(
  relay: Relay,
  caller: Caller,
  request: Request<"putBackup">,
): Promise<Done<"putBackup">> {
  requireDistinct(request.blobs.map(({ hash }) => hash));
  const { account } = caller;
  const current = await relay.backups.get(account);
  if (current !== undefined && isRepetition(current, request)) return done(relay, caller, current);
  if (request.expected !== (current?.version ?? 0)) throw conflict();
  requireSettled(relay, current);

  await Promise.all(request.blobs.map((blob) => keepBackupBlob(relay, account, blob)));
  const next = successor(relay, current, request);
  const outcome = await relay.backups.put(account, next);
  if (outcome.landed) return done(relay, caller, next, current);
  if (outcome.found === undefined || !isRepetition(outcome.found, request)) throw conflict();
  return done(relay, caller, outcome.found);
}

const conflict = (): Refused => new Refused("record_conflict", "not the successor of the backup that is there");

function isRepetition(stored: StoredBackup, { expected, manifest, blobs }: Request<"putBackup">): boolean {
  return (
    stored.version === expected + 1 && stored.manifest === manifest && names(stored).join() === names({ blobs }).join()
  );
}

const names = ({ blobs }: { readonly blobs: readonly BlobReference[] }): readonly string[] =>
  blobs.map(({ hash }) => hash);

/** @throws Refused `busy` */
function requireSettled({ clock }: Relay, current: StoredBackup | undefined): void {
  if (current === undefined || current.removed.length === 0) return;
  const retryAfter = current.at + settling - clock.now();
  if (retryAfter > 0) throw new Refused("busy", "the backup before is being tidied up", { retryAfter });
}

/** @throws Refused `blob_missing` where one is neither there nor uploaded in the size that was given */
async function keepBackupBlob({ blobs }: Relay, account: string, { hash, size }: BlobReference): Promise<void> {
  const place: BlobPlace = { backupOf: account };
  if ((await blobs.stat(place, hash))?.size === size) return;
  if ((await blobs.stat("staging", hash))?.size !== size) {
    throw new Refused("blob_missing", "a blob was not uploaded, or is of another size");
  }
  await blobs.copy("staging", place, hash);
}

function successor({ clock }: Relay, current: StoredBackup | undefined, request: Request<"putBackup">): StoredBackup {
  const { manifest, blobs } = request;
  const named = new Set(names(request));
  const removed = names(current ?? { blobs: [] }).filter((hash) => !named.has(hash));
  return { version: (current?.version ?? 0) + 1, at: clock.now(), manifest, blobs, removed };
}

/** Tidies up: for the backup before too, in case that was interrupted. What stays even then is in nobody's way. */
async function done(
  relay: Relay,
  caller: Caller,
  stored: StoredBackup,
  before?: StoredBackup,
): Promise<Done<"putBackup">> {
  const { blobs, clock } = relay;
  const named = new Set(names(stored));
  const superfluous = [...stored.removed, ...(before?.removed ?? [])].filter((hash) => !named.has(hash));
  // The next backup waits for those deletions alone that follow from this one.
  const isTime = stored.removed.length > 0 && clock.now() < stored.at + deleting;
  const place: BlobPlace = { backupOf: caller.account };
  await afterLanding(
    relay,
    caller,
    "putBackup",
    isTime ? [...new Set(superfluous)].map((hash) => blobs.remove(place, hash).then(() => undefined)) : [],
  );
  return { answer: { version: stored.version } };
}
