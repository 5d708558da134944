/**
 * The relay's ports in memory: each call waits for its turn (`step`), then happens at once. Deterministic: time,
 * randomness and the order of calls are arguments, so a model can try every order.
 */
import { createHash, createPrivateKey, createPublicKey, sign, type KeyObject } from "node:crypto";
import { nodeVerify } from "../../lambdas/adapters/nodeCrypto.ts";
import { folderOf } from "../../lambdas/adapters/s3Blobs.ts";
import { isNewer } from "../../lambdas/core/registration.ts";
import type { Settings } from "../../lambdas/core/relay.ts";
import type {
  Backups,
  BellQueue,
  BellSlice,
  BlobPlace,
  Blobs,
  Clock,
  Connections,
  Conversations,
  Counters,
  Directory,
  KeyPackage,
  KeyPackages,
  Log,
  Proofs,
  Random,
  Receipts,
  Registration,
  Reports,
  Sockets,
  StoredAccount,
  StoredBackup,
  StoredEntry,
} from "../../lambdas/ports.ts";
import { mapIn, memoryInbox, type InboxTables } from "./memoryInbox.ts";

/** Called before each effect; what it returns is awaited. One call of a port is one effect, or says which of several. */
export type Step = (call: string) => Promise<void>;

export type MemoryOptions = {
  readonly now: () => number;
  /** Names the stream of random numbers. */
  readonly seed?: string;
  readonly step?: Step;
  /** Called after each effect, before its caller goes on. */
  readonly settled?: Step;
  readonly settings?: Partial<Settings>;
};

/** Everything that the tables and the bucket would hold. */
export type MemoryTables = InboxTables & {
  readonly accounts: Map<string, StoredAccount>;
  readonly keyPackages: Map<string, Map<string, KeyPackage>>;
  readonly takenKeyPackages: Set<string>;
  readonly lastResorts: Map<string, KeyPackage>;
  readonly proofs: Set<string>;
  readonly counters: Map<string, number>;
  readonly connections: Map<string, Map<string, Registration>>;
  readonly blocks: Map<string, number>;
  readonly blobs: Map<string, { size: number; modified: number }>;
  readonly backups: Map<string, StoredBackup>;
};

/** A slice in the queue, and when it may be rung. */
export type Queued = { readonly slice: BellSlice; readonly due: number };

export type Posted = { readonly connection: string; readonly frame: Record<string, unknown> };

export function memoryPorts(options: MemoryOptions) {
  const { now, seed = "", step = () => Promise.resolve(), settled, settings = {} } = options;
  const tables: MemoryTables = {
    log: new Map(),
    conversations: new Map(),
    inbox: new Map(),
    messages: new Map(),
    marks: new Map(),
    stageHeads: new Map(),
    stageDevices: new Map(),
    accounts: new Map(),
    keyPackages: new Map(),
    takenKeyPackages: new Set(),
    lastResorts: new Map(),
    proofs: new Set(),
    counters: new Map(),
    connections: new Map(),
    blocks: new Map(),
    blobs: new Map(),
    backups: new Map(),
  };
  const posted: Posted[] = [];
  const closed: string[] = [];
  /** Connections that answer 410. */
  const gone = new Set<string>();
  const unexpected: unknown[] = [];

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

  const { inbox, stages, landing } = memoryInbox(tables, now, step);

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
    async setReceipt(account, version, receipt) {
      await step("directory.setReceipt");
      const found = tables.accounts.get(account);
      if (found?.version !== version) return undefined;
      if (found.receipt === undefined) tables.accounts.set(account, { ...found, receipt });
      return found.receipt ?? receipt;
    },
  };

  const backups: Backups = {
    async get(account) {
      await step("backups.get");
      return tables.backups.get(account);
    },
    async put(account, next) {
      await step("backups.put");
      const found = tables.backups.get(account);
      if ((found?.version ?? 0) !== next.version - 1) return { landed: false, found };
      tables.backups.set(account, next);
      return { landed: true };
    },
  };

  // Made when it is needed: a model makes many worlds that sign nothing.
  let made: KeyObject | undefined;
  const receiptKey = (): KeyObject => (made ??= keyFrom(`receipts ${seed}`));
  const receipts: Receipts = {
    async sign(message) {
      await step("receipts.sign");
      return sign(null, message, receiptKey()).toString("base64url");
    },
    async key() {
      await step("receipts.key");
      return createPublicKey(receiptKey()).export({ format: "jwk" }).x!;
    },
  };

  const random = seededRandom(seed);
  const deviceKey = (account: string, device: string): string => `${account} ${device}`;
  const isCurrent = ({ notAfter }: KeyPackage): boolean => notAfter >= Math.floor(now() / 1_000);
  const left = (account: string, device: string): readonly KeyPackage[] =>
    [...(tables.keyPackages.get(deviceKey(account, device))?.values() ?? [])].filter(isCurrent);
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
      const kept = tables.lastResorts.get(deviceKey(account, device));
      return kept !== undefined && isCurrent(kept) ? kept : undefined;
    },
    async count(account, device) {
      await step("keyPackages.count");
      return left(account, device).length;
    },
    async take(account, device) {
      await step("keyPackages.take");
      const [taken] = left(account, device);
      if (taken === undefined) return undefined;
      tables.keyPackages.get(deviceKey(account, device))?.delete(taken.hash);
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

  const blobName = (place: BlobPlace, hash: string): string => `${folderOf(place)}/${hash}`;
  const blobs: Blobs = {
    async stat(place, hash) {
      await step("blobs.stat");
      return tables.blobs.get(blobName(place, hash));
    },
    async copy(from, to, hash) {
      await step("blobs.copy");
      const blob = tables.blobs.get(blobName(from, hash));
      if (blob === undefined) throw new Error("no such blob");
      tables.blobs.set(blobName(to, hash), { size: blob.size, modified: now() });
    },
    async remove(place, hash) {
      await step("blobs.remove");
      tables.blobs.delete(blobName(place, hash));
    },
    async uploadUrl({ hash }) {
      await step("blobs.uploadUrl");
      return { url: `memory:${blobName("staging", hash)}`, headers: {}, expires: now() + 1_000 };
    },
    async downloadUrl(place, hash) {
      await step("blobs.downloadUrl");
      return { url: `memory:${blobName(place, hash)}`, expires: now() + 1_000 };
    },
  };

  const queued: Queued[] = [];
  const bells: BellQueue = {
    async send(slices, delaySeconds) {
      await step("bells.send");
      // As they travel.
      const due = now() + delaySeconds * 1_000;
      for (const slice of slices) queued.push({ slice: JSON.parse(JSON.stringify(slice)) as BellSlice, due });
    },
  };

  const clock: Clock = { now, sleep: () => step("clock.sleep") };
  const reports: Reports = { unexpected: (error) => void unexpected.push(error) };

  const effects = {
    log,
    conversations,
    landing,
    inbox,
    stages,
    directory,
    receipts,
    backups,
    keyPackages,
    proofs,
    counters,
    connections,
    sockets,
    bells,
    blobs,
  };
  return {
    ports: {
      ...(settled === undefined ? effects : settling(effects, settled)),
      clock,
      random,
      verify: nodeVerify,
      reports,
      settings: { retention: 90 * 86_400_000, claimsPerHour: 600, messagesPerMinute: 300, ...settings },
    },
    /** What the queue holds; whoever plays the worker takes it out. */
    queued,
    tables,
    posted,
    closed,
    gone,
    unexpected,
  };
}

export type Memory = ReturnType<typeof memoryPorts>;

/** The same ports, each of whose calls ends with a call of `settled`. */
function settling<T extends Record<string, object>>(ports: T, settled: Step): T {
  const wrapped = Object.entries(ports).map(([name, port]) => {
    const methods = Object.entries(port as Record<string, (...args: unknown[]) => Promise<unknown>>);
    const calls = methods.map(([method, call]) => {
      const settle = async (...args: unknown[]): Promise<unknown> => {
        const result = await call(...args);
        await settled(`${name}.${method}`);
        return result;
      };
      return [method, settle];
    });
    return [name, Object.fromEntries(calls)];
  });
  return Object.fromEntries(wrapped) as T;
}

/** An Ed25519 key that a name leads to: what stands before the 32 bytes is PKCS #8 (RFC 8410, section 7). */
function keyFrom(name: string): KeyObject {
  const prefix = Buffer.from("302e020100300506032b657004220420", "hex");
  const secret = createHash("sha256").update(name).digest();
  return createPrivateKey({ key: Buffer.concat([prefix, secret]), format: "der", type: "pkcs8" });
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
