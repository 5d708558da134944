/** Finding the secrets of PSKs: RFC 9420, sections 8.4 and 8.6. */
import { samePublicBytes } from "./equalBytes.ts";
import { local } from "./failure.ts";
import type { EpochState } from "./groupState.ts";
import type { PreSharedKeyId, Psk, PskLookup } from "./psk.ts";

/** A resumption PSK of this group that the state still holds. */
export function ownResumptionPsk(epoch: EpochState, id: PreSharedKeyId): Uint8Array | undefined {
  if (id.type !== "resumption" || !samePublicBytes(id.groupId, epoch.groupContext.groupId)) return undefined;
  if (id.epoch === epoch.groupContext.epoch) return epoch.secrets.resumptionPsk;
  return epoch.resumptionPsks.find((each) => each.epoch === id.epoch)?.psk;
}

/** @throws MlsError `psk_missing`, which concerns this device alone. */
export async function findPsks(
  ids: readonly PreSharedKeyId[],
  epoch: EpochState | undefined,
  lookup: PskLookup | undefined,
): Promise<Psk[]> {
  const found: Psk[] = [];
  for (const id of ids) {
    const secret = (epoch === undefined ? undefined : ownResumptionPsk(epoch, id)) ?? (await lookup?.(id));
    if (secret === undefined) throw local("psk_missing", "this device does not have a PSK that is needed");
    found.push({ id, secret });
  }
  return found;
}
