/**
 * The relay's ports in memory: each call waits for its turn (`step`), then happens at once. Deterministic: time,
 * randomness and the order of calls are arguments, so a model can try every order.
 */
import { createHash } from "node:crypto";
import type { InboxItem } from "@tacit/protocol";
import { nodeVerify } from "../../lambdas/adapters/nodeCrypto.ts";
import { isNewer } from "../../lambdas/core/registration.ts";
import type { Settings } from "../../lambdas/core/relay.ts";
import type {
  BlobPlace,
  Blobs,
  Clock,
  Connections,
  Conversation,
  Conversations,
  Counters,
  Directory,
  Inbox,
  KeyPackage,
  KeyPackages,
  Landing,
  LandingOutcome,
  LandingWrite,
  Log,
  Proofs,
  Random,
  Registration,
  Reports,
  Reservation,
  Sockets,
  StoredAccount,
  StoredEntry,
} from "../../lambdas/ports.ts";

/** Called before each effect; what it returns is awaited. */
export type Step = (call: string) => Promise<void>;

export type MemoryOptions = {
  readonly now: () => number;
  /** Names the stream of random numbers. */
  readonly seed?: string;
  readonly step?: Step;
  readonly settings?: Partial<Settings>;
};

type Place = { readonly reservation: Reservation; welcome: InboxItem | undefined; ttl: number };

/** Everything that the tables would hold. */
export type MemoryTables = {
  readonly log: Map<string, Map<number, StoredEntry>>;
  readonly conversations: Map<string, Conversation>;
  readonly inbox: Map<string, Map<string, Place>>;
  readonly accounts: Map<string, StoredAccount>;
  readonly keyPackages: Map<string, Map<string, KeyPackage>>;
  readonly takenKeyPackages: Set<string>;
  readonly lastResorts: Map<string, KeyPackage>;
  readonly proofs: Set<string>;
  readonly counters: Map<string, number>;
  readonly connections: Map<string, Map<string, Registration>>;
  readonly blocks: Map<string, number>;
  readonly blobs: Map<string, { size: number; modified: number }>;
};

export type Posted = { readonly connection: string; readonly frame: Record<string, unknown> };

export function memoryPorts({ now, seed = "", step = () => Promise.resolve(), settings = {} }: MemoryOptions) {
  const tables: MemoryTables = {
    log: new Map(),
    conversations: new Map(),
    inbox: new Map(),
    accounts: new Map(),
    keyPackages: new Map(),
    takenKeyPackages: new Set(),
    lastResorts: new Map(),
    proofs: new Set(),
    counters: new Map(),
    connections: new Map(),
    blocks: new Map(),
    blobs: new Map(),
  };
  const posted: Posted[] = [];
  const closed: string[] = [];
  /** Connections that answer 410. */
  const gone = new Set<string>();
  const unexpected: unknown[] = [];

  const mapIn = <K, V>(map: Map<string, Map<K, V>>, key: string): Map<K, V> => {
    let inner = map.get(key);
    if (inner === undefined) map.set(key, (inner = new Map<K, V>()));
    return inner;
  };
  const entriesOf = (conversation: string): readonly StoredEntry[] =>
    [...(tables.log.get(conversation)?.values() ?? [])].sort((a, b) => a.seq - b.seq);

  const log: Log = {
    async newest(conversation) {
      await step("log.newest");
      return entriesOf(conversation).at(-1);
    },
    async page(conversation, after, limit) {
      await step("log.page");
      const rest = entriesOf(conversation).filter(({ seq }) => seq > after);
      return { entries: rest.slice(0, limit), more: rest.length >= limit };
    },
    async put(conversation, entry) {
      await step("log.put");
      const found = tables.log.get(conversation)?.get(entry.seq);
      if (found !== undefined) return { landed: false, found };
      mapIn(tables.log, conversation).set(entry.seq, entry);
      return { landed: true };
    },
  };

  const conversations: Conversations = {
    async get(conversation) {
      await step("conversations.get");
      return tables.conversations.get(conversation);
    },
    async raiseCeiling(name, from, to) {
      await step("conversations.raiseCeiling");
      const conversation = tables.conversations.get(name);
      if (conversation === undefined || conversation.ceiling !== from) return conversation?.ceiling === to;
      tables.conversations.set(name, { ...conversation, ceiling: to });
      return true;
    },
  };

  const landing: Landing = {
    async land(write) {
      await step("landing.land");
      const outcome = judgeLanding(tables, write);
      if (outcome.kind !== "landed" || tables.log.get(write.conversation)?.has(write.entry.seq)) return outcome;
      mapIn(tables.log, write.conversation).set(write.entry.seq, write.entry);
      tables.conversations.set(write.conversation, write.next);
      for (const { device, claim, payload, ttl } of write.welcomes) {
        const place = tables.inbox.get(device)!.get(claim)!;
        const { seq, at } = write.entry;
        const { turn } = write.next;
        const { conversation } = write;
        const { keyPackage } = place.reservation;
        place.welcome = { kind: "welcome", id: claim, conversation, seq, turn, keyPackage, payload, at };
        place.ttl = ttl;
      }
      return outcome;
    },
  };

  const inbox: Inbox = {
    async reserve(reservation) {
      await step("inbox.reserve");
      const place = { reservation, welcome: undefined, ttl: reservation.ttl };
      mapIn(tables.inbox, reservation.device).set(reservation.id, place);
    },
    async page(device, after, limit) {
      await step("inbox.page");
      const items = [...(tables.inbox.get(device)?.values() ?? [])]
        .flatMap(({ welcome }) => welcome ?? [])
        .filter(({ id }) => after === undefined || id > after)
        .sort((a, b) => (a.id < b.id ? -1 : 1))
        .slice(0, limit);
      return { items, next: items.length === limit ? items.at(-1)?.id : undefined };
    },
    async remove(device, id) {
      await step("inbox.remove");
      const places = tables.inbox.get(device);
      if (places?.get(id)?.welcome !== undefined) places.delete(id);
    },
  };

  const directory: Directory = {
    async get(account) {
      await step("directory.get");
      return tables.accounts.get(account);
    },
    async put(account, next, expected) {
      await step("directory.put");
      const found = tables.accounts.get(account);
      if (found?.version !== expected) return { landed: false, found };
      tables.accounts.set(account, next);
      return { landed: true };
    },
  };

  const random = seededRandom(seed);
  const deviceKey = (account: string, device: string): string => `${account} ${device}`;
  const keyPackages: KeyPackages = {
    async add(account, device, keyPackage) {
      await step("keyPackages.add");
      const packages = mapIn(tables.keyPackages, deviceKey(account, device));
      const isNew =
        !packages.has(keyPackage.hash) &&
        !tables.takenKeyPackages.has(`${deviceKey(account, device)} ${keyPackage.hash}`);
      if (isNew) packages.set(keyPackage.hash, keyPackage);
      return isNew;
    },
    async setLastResort(account, device, keyPackage) {
      await step("keyPackages.setLastResort");
      tables.lastResorts.set(deviceKey(account, device), keyPackage);
    },
    async lastResort(account, device) {
      await step("keyPackages.lastResort");
      return tables.lastResorts.get(deviceKey(account, device));
    },
    async count(account, device) {
      await step("keyPackages.count");
      return tables.keyPackages.get(deviceKey(account, device))?.size ?? 0;
    },
    async take(account, device) {
      await step("keyPackages.take");
      const packages = tables.keyPackages.get(deviceKey(account, device));
      const [taken] = packages?.values() ?? [];
      if (taken === undefined) return undefined;
      packages?.delete(taken.hash);
      tables.takenKeyPackages.add(`${deviceKey(account, device)} ${taken.hash}`);
      return taken;
    },
    async clear(account, device) {
      await step("keyPackages.clear");
      tables.keyPackages.delete(deviceKey(account, device));
      tables.lastResorts.delete(deviceKey(account, device));
    },
  };

  const proofs: Proofs = {
    async firstUse(account, device, jti) {
      await step("proofs.firstUse");
      const name = `${account} ${device} ${jti}`;
      const isFirst = !tables.proofs.has(name);
      tables.proofs.add(name);
      return isFirst;
    },
  };

  const counters: Counters = {
    async add(account, name, amount, _ttl, limit) {
      await step("counters.add");
      const key = `${account} ${name}`;
      const next = (tables.counters.get(key) ?? 0) + amount;
      if (limit !== undefined && next > limit) return undefined;
      tables.counters.set(key, next);
      return next;
    },
  };

  const blockedOnes = (account: string, devices: ReadonlyMap<string, Registration>): Map<string, Registration> =>
    new Map(
      [...devices].map(([device, registration]) => {
        const blockedUntil = tables.blocks.get(deviceKey(account, device));
        return [device, blockedUntil === undefined ? registration : { ...registration, blockedUntil }];
      }),
    );
  const connections: Connections = {
    async of(accounts) {
      await step("connections.of");
      return new Map(
        accounts.flatMap((account) => {
          const devices = tables.connections.get(account);
          return devices === undefined ? [] : [[account, blockedOnes(account, devices)] as const];
        }),
      );
    },
    async register(account, device, registration) {
      await step("connections.register");
      const devices = mapIn(tables.connections, account);
      const replaced = devices.get(device);
      const isSame = replaced?.connection === registration.connection;
      if (replaced !== undefined && !isSame && !isNewer(registration, replaced)) return { registered: false };
      devices.set(device, registration);
      return { registered: true, replaced };
    },
    async unregister(account, device, connection) {
      await step("connections.unregister");
      const devices = tables.connections.get(account);
      if (devices?.get(device)?.connection === connection) devices.delete(device);
    },
    async block(account, device, until) {
      await step("connections.block");
      if (tables.connections.has(account)) tables.blocks.set(deviceKey(account, device), until);
    },
  };

  const sockets: Sockets = {
    async post(connection, frame) {
      await step("sockets.post");
      if (gone.has(connection)) return "gone";
      posted.push({ connection, frame: JSON.parse(frame) as Record<string, unknown> });
      return "sent";
    },
    async close(connection) {
      await step("sockets.close");
      closed.push(connection);
      gone.add(connection);
    },
  };

  const blobs: Blobs = {
    async stat(place, hash) {
      await step("blobs.stat");
      return tables.blobs.get(`${place}/${hash}`);
    },
    async keep(from, hash) {
      await step("blobs.keep");
      const blob = tables.blobs.get(`${from}/${hash}`);
      if (blob === undefined) throw new Error("no such blob");
      tables.blobs.set(`kept/${hash}`, { size: blob.size, modified: now() });
    },
    async uploadUrl({ hash }) {
      await step("blobs.uploadUrl");
      return { url: `memory:staging/${hash}`, headers: {}, expires: now() + 1_000 };
    },
    async downloadUrl(place: BlobPlace, hash) {
      await step("blobs.downloadUrl");
      return { url: `memory:${place}/${hash}`, expires: now() + 1_000 };
    },
  };

  const clock: Clock = { now, sleep: () => step("clock.sleep") };
  const reports: Reports = { unexpected: (error) => void unexpected.push(error) };

  return {
    ports: {
      log,
      conversations,
      landing,
      inbox,
      directory,
      keyPackages,
      proofs,
      counters,
      connections,
      sockets,
      blobs,
      clock,
      random,
      verify: nodeVerify,
      reports,
      settings: { retention: 90 * 86_400_000, claimsPerHour: 600, messagesPerMinute: 300, ...settings },
    },
    tables,
    posted,
    closed,
    gone,
    unexpected,
  };
}

export type Memory = ReturnType<typeof memoryPorts>;

function judgeLanding(tables: MemoryTables, write: LandingWrite): LandingOutcome {
  const found = tables.log.get(write.conversation)?.get(write.entry.seq);
  if (found?.id === write.entry.id) return { kind: "landed" };
  const current = tables.conversations.get(write.conversation);
  const { expected } = write;
  const isAsExpected = current?.turn === expected?.turn && current?.ceiling === expected?.ceiling;
  if (found !== undefined || !isAsExpected) return { kind: "conflict" };
  const index = write.welcomes.findIndex(({ device, claim, by }) => {
    const place = tables.inbox.get(device)?.get(claim);
    return place === undefined || place.welcome !== undefined || place.reservation.by !== by;
  });
  return index < 0 ? { kind: "landed" } : { kind: "notClaimed", index };
}

export function seededRandom(seed: string): Random {
  let count = 0;
  const next = (): Buffer => createHash("sha512").update(`${seed} ${count++}`).digest();
  return {
    id: (bytes) => next().subarray(0, bytes).toString("base64url"),
    fraction: () => next().readUIntBE(0, 6) / 2 ** 48,
  };
}

/** Everything in the tables, for comparing. */
export function photograph(tables: MemoryTables): string {
  return JSON.stringify(tables, (_key, value: unknown) =>
    value instanceof Map || value instanceof Set ? [...value] : value,
  );
}
