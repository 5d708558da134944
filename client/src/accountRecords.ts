/** The record of an account as the relay hands it out now, checked against what this device knows of that account. */
import type { Connection } from "./connection.ts";
import { TacitError } from "./errors.ts";
import type { PeerBook } from "./peerBook.ts";
import type { SealedStore } from "./sealedStore.ts";
import { verifyRecord, type VerifiedRecord } from "./session/accountRecord.ts";
import type { CryptoProvider } from "./session/cryptoContext.ts";

export interface RecordDeps {
  readonly connection: Connection;
  readonly store: SealedStore;
  readonly peers: PeerBook;
  readonly provider: CryptoProvider;
  readonly identityChanged: (account: string) => void;
}

/** @throws TacitError `identity_invalid`; Refused; LostAnswer */
export async function accountRecordOf(deps: RecordDeps, account: string): Promise<VerifiedRecord> {
  const { connection, store, peers, provider } = deps;
  const { record } = await connection.request("getAccount", { account });
  const verified = await verifyRecord(provider, record, account);
  if (verified === undefined) throw new TacitError("identity_invalid", "the account's record does not hold");
  const met = await peers.alone(async () => {
    const meeting = peers.meet([{ account, accountKey: verified.accountKey, record: verified }]);
    if (meeting.changes.length > 0) await store.commit(meeting.changes);
    meeting.stored();
    return meeting;
  });
  for (const changed of met.changed) deps.identityChanged(changed);
  if (met.refused.length > 0) {
    throw new TacitError("identity_invalid", "the account's record is older than, or not the one, that is known");
  }
  return verified;
}
