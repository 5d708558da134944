/** Taking key packages of somebody's devices, and checking that they are theirs. */
import { decodeBase64Url, type Answer } from "@tacit/protocol";
import type { AccountRecords } from "./accountRecords.ts";
import type { Connection } from "../connection/connection.ts";
import { TacitError } from "../errors.ts";
import type { PeerBook } from "./peerBook.ts";
import { LostAnswer } from "../connection/relaySocket.ts";
import { isKeyPackageCurrent, isKeyPackageValid, isOf } from "../session/group/claimed.ts";
import type { Claimed } from "../session/conversation.ts";
import type { CryptoContext } from "../session/cryptoContext.ts";
import { identityChanged } from "../translate.ts";

export interface ClaimDeps {
  readonly crypto: CryptoContext;
  readonly connection: Connection;
  readonly peers: PeerBook;
  readonly records: AccountRecords;
}

/** How often to claim where the relay gives out key packages that have ended all the same, or are not valid: each time it has one less. More it refuses. */
const longestClaim = 20;

/**
 * One key package of each device of `account`, or of those `named`, that has one left.
 * @throws TacitError `identity_invalid`, `identity_changed`, `no_key_packages`; Refused; LostAnswer
 */
export async function claimKeyPackages(
  deps: ClaimDeps,
  account: string,
  named?: readonly string[],
): Promise<readonly Claimed[]> {
  const { connection, crypto, peers, records } = deps;
  let { devices } = await records.fetch(account);
  if (peers.isBlocked(account)) throw identityChanged();

  const usable = new Map<string, Claimed>();
  const listed = devices.map(({ device }) => device).sort();
  const ids = named === undefined ? listed : listed.filter((device) => named.includes(device));
  let first: string | undefined = ids[0];
  for (let round = 0; round < longestClaim && first !== undefined; round++) {
    const expired = new Set<string>();
    for await (const given of claimAfter(deps, { account, named, after: ids.filter((id) => id < first!).at(-1) })) {
      // It may have been linked since.
      if (!holds(given, devices)) ({ devices } = await records.fetch(account));
      if (!holds(given, devices)) {
        throw new TacitError("identity_invalid", "a key package is not of the account's devices");
      }
      // Whatever the engine would refuse in a commit would be in the way of all commits.
      const isGood =
        isKeyPackageCurrent(given.keyPackage, connection.now()) && (await isKeyPackageValid(crypto, given.keyPackage));
      if (isGood) usable.set(given.device, given);
      else if (!given.lastResort) expired.add(given.device);
    }
    first = ids.find((id) => expired.has(id) && !usable.has(id));
  }
  if (usable.size === 0) throw new TacitError("no_key_packages", "the account has no key package left");
  return [...usable.values()];
}

interface ClaimFor {
  readonly account: string;
  readonly named: readonly string[] | undefined;
  /** Devices behind this one. */
  readonly after: string | undefined;
}

async function* claimAfter(
  { connection }: Pick<ClaimDeps, "connection">,
  { account, named, after }: ClaimFor,
): AsyncGenerator<Claimed & { readonly lastResort: boolean }, void, undefined> {
  const wanted = { account, ...(named === undefined ? {} : { devices: [...named] }) };
  for (let start = after; ;) {
    const page: Answer<"claimKeyPackages"> = await connection.request(
      "claimKeyPackages",
      start === undefined ? wanted : { ...wanted, after: start },
    );
    for (const { device, claim, data, lastResort } of page.keyPackages) {
      yield { account, device, claim, keyPackage: decodeBase64Url(data), lastResort };
    }
    if (page.next === undefined) return;
    if (start !== undefined && page.next <= start) throw new LostAnswer("the pages of key packages do not advance");
    start = page.next;
  }
}

function holds(claimed: Claimed, devices: Parameters<typeof isOf>[1]): boolean {
  try {
    return isOf(claimed, devices);
  } catch {
    return false;
  }
}
