/** A device of an account without a client around it: its store, its socket, and what looks after trust and backups. */
import type { Store } from "@tacit/client";
import { cipherSuites, getCipherSuite } from "@tacit/mls";
import { nodeProvider } from "@tacit/mls/providers/node";
import { AccountRecords } from "../../../client/src/account/accountRecords.ts";
import { BackupKeeper, type BackupTimes } from "../../../client/src/backup/backupKeeper.ts";
import { backedUpPrefixes, type BackupSource } from "../../../client/src/backup/makeBackup.ts";
import {
  finishRecovery,
  pendingRecovery,
  recoveredIdentity,
  restoreBackup,
} from "../../../client/src/backup/recovery.ts";
import type { RestoredConversation } from "../../../client/src/backup/restored.ts";
import type { RelayEquivocation } from "../../../client/src/account/equivocation.ts";
import type { TacitError } from "../../../client/src/errors.ts";
import { PeerBook } from "../../../client/src/account/peerBook.ts";
import { LostAnswer, openRelaySocket, Refused, type RelaySocket } from "../../../client/src/connection/relaySocket.ts";
import { sealedStore, watchedStore, type SealedStore } from "../../../client/src/sealedStore.ts";
import type { BackedUpConversation } from "../../../client/src/session/history/backup.ts";
import { utf8 } from "../../../client/src/session/bytes.ts";
import { timelineKey } from "../../../client/src/session/conversationStore.ts";
import {
  createIdentity,
  decodeIdentity,
  encodeIdentity,
  enrol,
  isHolder,
  type Identity,
} from "../../../client/src/session/identity/identity.ts";
import { connectProtocols } from "../../../client/src/session/identity/proof.ts";
import { markOf } from "../../../client/src/session/identity/recordMark.ts";
import type { TimelineItem } from "../../../client/src/session/timeline.ts";
import type { Stage } from "./stage.ts";

export const provider = nodeProvider();
const suite = getCipherSuite(cipherSuites.MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519, provider);

export interface BareDevice {
  readonly account: string;
  identity(): Identity;
  /** What was stored of it, e.g. after the record went on. */
  become(identity: Identity): Promise<void>;
  readonly store: SealedStore;
  readonly peers: PeerBook;
  readonly records: AccountRecords;
  readonly keeper: BackupKeeper;
  readonly connection: { readonly request: RelaySocket["request"]; now(): number; readonly isUp: boolean };
  /** Conversations that the device is in. */
  readonly conversations: BackedUpConversation[];
  readonly restored: readonly RestoredConversation[];
  readonly failures: TacitError[];
  readonly identityChanges: { readonly account: string; readonly proven: boolean }[];
  readonly equivocations: RelayEquivocation[];
  say(conversation: string, ...items: TimelineItem[]): Promise<void>;
  close(): Promise<void>;
}

export interface BareOptions {
  readonly store: Store;
  /** Of a recovery code. */
  readonly recover?: Uint8Array;
  readonly onNewCode?: (code: string) => void | Promise<void>;
  readonly receiptKey?: string;
  readonly times?: BackupTimes;
}

/** Opens the store, and the account in it; does nothing that a client would not do in this order. */
export async function bareDevice({ clock, relay }: Stage, account: string, options: BareOptions): Promise<BareDevice> {
  let keeper: BackupKeeper | undefined;
  const sealed = await sealedStore(options.store, options.store.vault!, provider.random);
  const store = watchedStore(sealed, backedUpPrefixes, () => keeper?.touch());
  const stored = await store.get("identity");
  let identity = stored === undefined ? await createIdentity({ provider, suite }) : decodeIdentity(stored)!;
  const save = async (next: Identity, more: Parameters<SealedStore["commit"]>[0] = []): Promise<void> => {
    await store.commit([{ key: "identity", value: encodeIdentity(next) }, ...more]);
    identity = next;
  };
  if (stored === undefined) await save(identity);

  const failures: TacitError[] = [];
  const identityChanges: BareDevice["identityChanges"] = [];
  const equivocations: RelayEquivocation[] = [];
  const failed = (error: TacitError): void => void failures.push(error);
  const peers = await PeerBook.load(store);
  let socket: RelaySocket | undefined;
  let isClosed = false;
  // Comes back when it is needed: leases end.
  const request: RelaySocket["request"] = async (operation, fields) => {
    for (let attempt = 0; ; attempt++) {
      if (isClosed || !relay.reachable) throw new LostAnswer("there is no connection");
      if (socket?.isOpen !== true) await open();
      try {
        return await socket!.request(operation, fields);
      } catch (error) {
        const isLease = error instanceof Refused && /lease|token/.test(error.refusal.code);
        if (!isLease || attempt > 0) throw error;
        socket!.close();
      }
    }
  };
  const connection: BareDevice["connection"] = {
    request,
    now: () => clock.now(),
    get isUp() {
      return !isClosed && relay.reachable;
    },
  };
  const records = new AccountRecords({
    connection,
    store,
    peers,
    provider,
    own: () => undefined,
    receiptKey: options.receiptKey,
    identityChanged: (event) => void identityChanges.push(event),
    equivocation: (event) => void equivocations.push(event),
    failed,
  });
  await records.load();

  const conversations: BackedUpConversation[] = [];
  const source: BackupSource = {
    account: () => account,
    holder: () => {
      if (!isHolder(identity) || !identity.enrolment.registered) return undefined;
      const { accountKey, accountSecret, secretSince, enrolment } = identity;
      const record = markOf(provider, enrolment.recordVersion, enrolment.record);
      return { accountKey, accountSecret: { secret: accountSecret, since: secretSince }, record };
    },
    people: () => peers.all(),
    conversations: () => conversations,
    receiptKey: () => records.receiptKey,
  };

  const open = async (): Promise<"full" | "register"> => {
    const { url, transport } = relay;
    const token = relay.token(account)();
    const { deviceKey } = identity;
    const protocols = await connectProtocols(provider, { url, token, deviceKey, now: clock.now() });
    const { signal } = new AbortController();
    socket = await openRelaySocket({ transport, clock, url, protocols, signal, push: () => {}, closed: () => {} });
    return (await socket.request("hello", {})).scope;
  };
  try {
    for (let attempt = 0; (await open()) === "register"; attempt++) {
      if (attempt > 3) throw new Error("the relay does not take this device");
      const key = options.recover ?? (await pendingRecovery(store));
      if (identity.enrolment === undefined && key !== undefined) {
        const ask: RelaySocket["request"] = (operation, fields) => socket!.request(operation, fields);
        const made = await recoveredIdentity({ ask, provider, records }, identity, account, key, clock.now());
        await save(made.identity, made.changes);
      }
      if (identity.enrolment === undefined) await save(await enrol(provider, identity, account, clock.now()));
      try {
        await socket!.request("putAccount", { record: identity.enrolment!.record });
      } catch (error) {
        if (!(error instanceof Refused && error.refusal.code === "record_conflict") || key === undefined) throw error;
        const { enrolment: _, ...anew } = identity;
        await save({ ...anew, accountKey: undefined, accountSecret: undefined });
      }
      socket!.close();
    }
  } catch (error) {
    socket?.close();
    await store.close();
    throw error;
  }
  if (!identity.enrolment!.registered) {
    await save({ ...identity, enrolment: { ...identity.enrolment!, registered: true } });
  }

  const { blobs } = relay;
  const made = { connection, blobs, provider, store, clock, source };
  keeper = await BackupKeeper.load({ ...made, ...(options.times === undefined ? {} : { times: options.times }) });
  const restored = await restoreBackup({ ...made, peers, keeper, failed });
  keeper.connected();
  await finishRecovery({ store, keeper }, options.onNewCode);

  return {
    account,
    identity: () => identity,
    become: (next) => save(next),
    store,
    peers,
    records,
    keeper,
    connection,
    conversations,
    restored,
    failures,
    identityChanges,
    equivocations,
    say(conversation, ...items) {
      const written = items.map((item) => ({
        key: timelineKey(conversation, item.position),
        value: utf8(JSON.stringify(item)),
      }));
      return store.commit(written);
    },
    async close() {
      isClosed = true;
      socket?.close();
      await keeper.close();
      await records.settled();
      await store.close();
    },
  };
}

export function message(position: number, from: string, text: string): TimelineItem {
  const id = Buffer.from(text.padEnd(16).slice(0, 16)).toString("base64url");
  return {
    kind: "message",
    position,
    seq: position + 10,
    id,
    from,
    device: "A".repeat(43),
    text,
    sentAt: 5,
    storedAt: 1_000 + position,
    mine: from === "alice",
    status: "sent",
  };
}
