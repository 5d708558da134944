/** `getBackup`: the backup of the caller's account. */
import type { Caller } from "./caller.ts";
import type { Done } from "./done.ts";
import type { Relay } from "./relay.ts";

export async function getBackup({ backups }: Relay, { account }: Caller): Promise<Done<"getBackup">> {
  const stored = await backups.get(account);
  if (stored === undefined) return { answer: { version: 0 } };
  const { version, at, manifest, blobs } = stored;
  return { answer: { version, at, manifest, blobs: [...blobs] } };
}
