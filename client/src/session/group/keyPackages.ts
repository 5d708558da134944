/** The key packages of this device: how many to have out, and how their private parts are stored until a Welcome names them. */
import { decodeBase64Url, encodeBase64Url, limits } from "@tacit/protocol";
import { parseJson, utf8 } from "../bytes.ts";
import type { Change } from "../conversationStore.ts";
import { sha256, type CryptoContext } from "../cryptoContext.ts";
import { createKeyPackage, keyPackageLifetime, type Member, type OwnKeyPackage } from "./member.ts";

export const keyPackagePrefix = "k/";
/** Single-use ones to have out. */
const stock = 20;
/** A Welcome may still be on its way when the key package that it answers has ended. */
const graceAfterLifetime = 30 * 86_400_000;
/** Room in a request frame. */
const frameBudget = limits.requestFrame - 1_024;

export interface StockedKeyPackage extends OwnKeyPackage {
  /** SHA-256 of `bytes`, base64url: what an inbox item names it by. */
  readonly hash: string;
  readonly lastResort: boolean;
  readonly createdAt: number;
}

/** How many to make when `count` are left: none until half of them are used. */
export function shortage(count: number): number {
  return count < stock / 2 ? stock - count : 0;
}

export async function makeKeyPackage(
  context: CryptoContext,
  member: Member,
  options: { readonly now: number; readonly lastResort: boolean },
): Promise<StockedKeyPackage> {
  const made = await createKeyPackage(context, member, options);
  const hash = encodeBase64Url(sha256(context.provider, made.bytes));
  return { ...made, hash, lastResort: options.lastResort, createdAt: options.now };
}

/** As many as fit one request frame, the rest. */
export function splitForFrame(
  made: readonly StockedKeyPackage[],
): readonly [now: readonly StockedKeyPackage[], later: readonly StockedKeyPackage[]] {
  let size = 0;
  let fitting = 0;
  for (const { bytes } of made.slice(0, limits.keyPackagesPerFrame)) {
    size += Math.ceil((bytes.length * 4) / 3) + 100;
    if (size > frameBudget) break;
    fitting++;
  }
  return [made.slice(0, fitting), made.slice(fitting)];
}

export function keyPackageKey(hash: string): string {
  return keyPackagePrefix + hash;
}

export function storedKeyPackage({ hash, lastResort, createdAt, bytes, privateKeys }: StockedKeyPackage): Change {
  const value = {
    lastResort,
    createdAt,
    bytes: encodeBase64Url(bytes),
    privateKeys: encodeBase64Url(privateKeys),
  };
  return { key: keyPackageKey(hash), value: utf8(JSON.stringify(value)) };
}

export function decodeKeyPackageItem(hash: string, stored: Uint8Array): StockedKeyPackage {
  const value = parseJson(stored) as
    | {
        readonly lastResort: boolean;
        readonly createdAt: number;
        readonly bytes: string;
        readonly privateKeys: string;
      }
    | undefined;
  if (value === undefined) throw new Error("a stored key package is damaged");
  const { lastResort, createdAt, bytes, privateKeys } = value;
  return { hash, lastResort, createdAt, bytes: decodeBase64Url(bytes), privateKeys: decodeBase64Url(privateKeys) };
}

/** In the first half of its life: young enough to be out. */
export function isFresh({ createdAt }: StockedKeyPackage, now: number): boolean {
  return now < createdAt + keyPackageLifetime / 2;
}

export function isOutdated({ createdAt }: StockedKeyPackage, now: number): boolean {
  return now > createdAt + keyPackageLifetime + graceAfterLifetime;
}
