/** What backups are made of: this device as it is. */
import type { AccountRecords } from "../account/accountRecords.ts";
import type { ConversationBook } from "../conversation/conversationBook.ts";
import type { LiveConversation } from "../conversation/liveConversation.ts";
import type { OwnAccount } from "../account/ownAccount.ts";
import type { PeerBook } from "../account/peerBook.ts";
import type { LeafIdentity } from "../session/group/authenticate.ts";
import type { BackedUpConversation } from "../session/history/backup.ts";
import { isKept } from "../session/conversation.ts";
import { identities } from "../session/group/group.ts";
import { isHolder } from "../session/identity/identity.ts";
import type { BackupSource } from "./makeBackup.ts";

export function backupSource(
  account: string,
  {
    own,
    peers,
    records,
    book,
  }: {
    readonly own: OwnAccount;
    readonly peers: PeerBook;
    readonly records: AccountRecords;
    readonly book: ConversationBook;
  },
): BackupSource {
  return {
    account: () => account,
    holder: () => {
      const { identity, record } = own;
      if (!isHolder(identity) || !identity.enrolment.registered || record.current === undefined) return undefined;
      const { accountKey, accountSecret, secretSince } = identity;
      const { version, hash } = record.current;
      return { accountKey, accountSecret: { secret: accountSecret, since: secretSince }, record: { version, hash } };
    },
    people: () => peers.all(),
    conversations: () => book.all().flatMap(backedUp),
    receiptKey: () => records.receiptKey,
  };
}

/** Nothing of what the user has not said yet that they want. */
function backedUp({ id, snapshot, members, info }: LiveConversation): readonly BackedUpConversation[] {
  if (!isKept(snapshot)) return [];
  const { title } = info.current;
  const { log, phase, requestBy } = snapshot;
  // What its user has not accepted anew is over, on whatever device it is restored.
  const ended = phase === "ended" || requestBy !== undefined ? { ended: true as const } : {};
  const asked = requestBy === undefined ? {} : { requestBy };
  const keys = keysOf(members, snapshot.group === undefined ? snapshot.anchors : identities(snapshot.group));
  const called = title === "" ? {} : { title };
  return [{ id, log, members, ...(keys && { keys }), ...called, ...ended, ...asked }];
}

function keysOf(members: readonly string[], leaves: readonly LeafIdentity[]): readonly string[] | undefined {
  const known = new Map(leaves.map(({ account, accountKey }) => [account, accountKey]));
  const keys = members.flatMap((account) => known.get(account) ?? []);
  return keys.length === members.length ? keys : undefined;
}
