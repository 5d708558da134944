/** Taking key packages of somebody's devices, and checking that they are theirs. */
import { decodeBase64Url, type Answer } from "@tacit/protocol";
import type { Connection } from "./connection.ts";
import { TacitError } from "./errors.ts";
import type { PeerBook } from "./peerBook.ts";
import type { SealedStore } from "./sealedStore.ts";
import { verifyRecord } from "./session/accountRecord.ts";
import type { CryptoProvider } from "./session/cryptoContext.ts";
import { isOf, type Claimed } from "./session/opening.ts";
import { identityChanged } from "./translate.ts";

export interface ClaimDeps {
  readonly connection: Connection;
  readonly store: SealedStore;
  readonly peers: PeerBook;
  readonly provider: CryptoProvider;
  readonly identityChanged: (account: string) => void;
}

/**
 * One key package of each device of `account` that has one left.
 * @throws TacitError `identity_invalid`, `identity_changed`, `no_key_packages`; Refused; LostAnswer
 */
export async function claimKeyPackages(deps: ClaimDeps, account: string): Promise<readonly Claimed[]> {
  const { connection, store, peers, provider } = deps;
  const { record } = await connection.request("getAccount", { account });
  const verified = await verifyRecord(provider, record, account);
  if (verified === undefined) throw new TacitError("identity_invalid", "the account's record does not hold");
  const met = peers.meet([{ account, accountKey: verified.accountKey, recordVersion: verified.version }]);
  if (met.changes.length > 0) await store.commit(met.changes);
  met.stored();
  for (const changed of met.changed) deps.identityChanged(changed);
  if (peers.isBlocked(account)) throw identityChanged();

  const claimed: Claimed[] = [];
  let after: string | undefined;
  do {
    const page: Answer<"claimKeyPackages"> = await connection.request(
      "claimKeyPackages",
      after === undefined ? { account } : { account, after },
    );
    for (const { device, claim, data } of page.keyPackages) {
      claimed.push({ device, claim, keyPackage: decodeBase64Url(data) });
    }
    after = page.next;
  } while (after !== undefined);
  if (claimed.length === 0) throw new TacitError("no_key_packages", "the account has no key package left");
  if (!claimed.every((each) => holds(each, verified.devices))) {
    throw new TacitError("identity_invalid", "a key package is not of the account's devices");
  }
  return claimed;
}

function holds(claimed: Claimed, devices: Parameters<typeof isOf>[1]): boolean {
  try {
    return isOf(claimed, devices);
  } catch {
    return false;
  }
}
