/** Groups in the store: what a commit changes, and what a message changes; and what is to be wiped of those that are kept no more. */
import { decodeState, encodeEpoch, encodeRatchets, secretsGivenUp, type RatchetChunk } from "@tacit/mls";
import type { CryptoContext } from "../cryptoContext.ts";
import type { Group } from "./group.ts";

/** What a commit changes; undefined where `before` holds the same. */
export function encodeGroupEpoch(group: Group, before?: Group): Uint8Array | undefined {
  return before?.epoch === group.epoch ? undefined : encodeEpoch(group);
}

/** What a message changes, since `before`. */
export function encodeGroupRatchets(group: Group, before?: Group): readonly RatchetChunk[] {
  return before?.ratchets === group.ratchets ? [] : encodeRatchets(group, before);
}

/** @throws MlsError `decode_failed` */
export function decodeGroup(
  { suite }: CryptoContext,
  epoch: Uint8Array,
  ratchets: Iterable<readonly [key: string, bytes: Uint8Array]>,
): Group {
  return decodeState(suite, epoch, ratchets);
}

/** Secrets of `dropped` that `kept` does not share: those of the epoch and of its ratchets. */
export function secretsOnlyIn(dropped: Group, kept: Group | undefined): readonly Uint8Array[] {
  return secretsGivenUp(dropped, kept);
}
