/** Everything that one run consists of: the seed's dice, time, the relay with its tables, the network, the devices, and the oracle. */
import { cipherSuites } from "@tacit/mls";
import { decodeBase64Url } from "@tacit/protocol";
import { nodeVerify } from "../../../lambdas/adapters/nodeCrypto.ts";
import type { Random, StoredEntry } from "../../../lambdas/ports.ts";
import { directConversationId } from "../../../client/src/session/conversation.ts";
import type { CryptoProvider } from "../../../client/src/session/cryptoContext.ts";
import { memoryPorts, type MemoryTables } from "../../support/memoryPorts.ts";
import { Dice } from "../mls/dice.ts";
import { Device } from "./device.ts";
import { Faults } from "./faults.ts";
import { Functions, type SharedPorts } from "./functions.ts";
import { keyGuard, type KeyGuard } from "./keyGuard.ts";
import { Network } from "./network.ts";
import { hasPlaintext, Oracle } from "./oracle.ts";
import { planted, type Plant } from "./plants.ts";
import { Scheduler } from "./scheduler.ts";
import { Trace } from "./trace.ts";

export interface WorldOptions {
  readonly seed: number;
  readonly clients: number;
  /** Milliseconds that an entry lives. Default: as the seed says. */
  readonly retention?: number;
  /** Keeps what happened as lines. */
  readonly explains?: boolean;
  /** A fault that the checker has to find. */
  readonly plant?: Plant | undefined;
}

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const start = 1_800_000_000_000;
const issuer = "https://issuer.test";

export class World {
  readonly url = "wss://relay.test/v1";
  readonly suite = cipherSuites.MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;
  readonly dice: Dice;
  readonly scheduler: Scheduler;
  readonly faults: Faults;
  readonly trace: Trace;
  readonly oracle = new Oracle();
  readonly network: Network;
  readonly provider: CryptoProvider;
  readonly plant: Plant | undefined;
  readonly devices: Device[] = [];
  readonly tables: MemoryTables;
  /** Milliseconds that an entry lives. */
  readonly retention: number;
  /** That are made at the beginning. */
  readonly groups: number;
  /** Every device is away from the network. */
  isAsleep = false;
  readonly #guard: KeyGuard;
  readonly #bodies = new Map<string, Uint8Array>();

  constructor({ seed, clients, explains = false, plant, retention }: WorldOptions) {
    this.plant = plant;
    this.dice = new Dice(seed);
    const { dice } = this;
    this.scheduler = new Scheduler(new Dice(Math.floor(dice.next() * 2 ** 32)), start);
    const { scheduler, oracle } = this;
    this.trace = new Trace(() => scheduler.now, explains);
    this.faults = new Faults(dice, dice.pick([0.25, 1, 1, 2.5]));
    const drawn = dice.pick([90 * day, 90 * day, 2 * day, 3 * hour]);
    this.retention = retention ?? drawn;
    this.#guard = keyGuard(
      (length) => this.#random(length),
      (plaintext, tag) => oracle.sealed(plaintext, tag),
    );
    this.provider = this.#guard.provider;

    const memory = memoryPorts({
      now: () => Math.floor(scheduler.now),
      settings: { retention: this.retention, messagesPerMinute: dice.pick([300, 60]) },
    });
    this.tables = memory.tables;
    const ports: SharedPorts = {
      ...memory.ports,
      log: {
        ...memory.ports.log,
        put: async (conversation, entry) => {
          const outcome = await memory.ports.log.put(conversation, entry);
          if (outcome.landed) this.#landed(conversation, entry);
          return outcome;
        },
      },
      landing: {
        land: async (write) => {
          const outcome = await memory.ports.landing.land(write);
          if (outcome.kind !== "landed") return outcome;
          oracle.memberships.created(write.conversation, write.next);
          this.#landed(write.conversation, write.entry);
          return outcome;
        },
      },
      random: this.#relayRandom(),
      sockets: {
        post: (...args) => this.network.sockets.post(...args),
        close: (name) => this.network.sockets.close(name),
      },
      reports: { unexpected: () => {} },
    };
    const functions = new Functions({
      scheduler,
      dice,
      faults: this.faults,
      trace: this.trace,
      ports: planted(ports, plant, dice),
      gate: {
        tokens: { open: async (token) => JSON.parse(Buffer.from(token, "base64url").toString()) as object as never },
        verify: nodeVerify,
        issuer,
        audience: "tacit",
        accountClaim: "sub",
        socketUrl: this.url,
      },
    });
    this.network = new Network({
      scheduler,
      dice,
      faults: this.faults,
      trace: this.trace,
      functions,
      seen: (frame, device) => this.#seen(frame, device),
    });
    for (let index = 1; index <= clients; index++) this.#join(`user${index}`);
    // A last one that is up to no good, in some runs.
    if (clients > 3 && dice.chance(0.4)) this.devices.at(-1)!.isMalicious = true;
    this.groups = clients < 3 ? 0 : dice.pick([0, 1, 2, 3]);
  }

  #join(name: string, holder?: Device): Device {
    const { dice } = this;
    const skew = dice.chance(0.3) ? (dice.next() - 0.5) * 2 * hour : 0;
    const device = new Device(this, name, skew, holder);
    this.devices.push(device);
    return device;
  }

  /** A further device of the holder's account, that shows codes until it is linked. */
  furtherDevice(holder: Device): Device {
    const number = this.devices.filter(({ account }) => account === holder.account).length + 1;
    return this.#join(`${holder.name}.${number}`, holder);
  }

  /** The identity provider's. */
  token(account: string): string {
    if (this.faults.strikes("tokenFailed")) throw new Error("the identity provider is down");
    const lifetime = this.dice.pick([day, hour, 10 * minute]);
    const exp = Math.floor((this.scheduler.now + lifetime) / 1000);
    return Buffer.from(JSON.stringify({ iss: issuer, aud: "tacit", sub: account, exp })).toString("base64url");
  }

  directConversation(a: Device, b: Device): string {
    return directConversationId(this.provider, a.account, b.account);
  }

  readonly blobs = {
    put: (target: string, body: Uint8Array): void => {
      const [, hash] = this.#blobName(target);
      this.#released(body, "a device");
      this.oracle.uploaded(hash, body);
      this.#bodies.set(hash, body.slice());
      this.tables.blobs.set(`staging/${hash}`, { size: body.length, modified: Math.floor(this.scheduler.now) });
    },
    get: (target: string): Uint8Array | undefined => {
      const [name, hash] = this.#blobName(target);
      return this.tables.blobs.has(name) ? this.#bodies.get(hash)?.slice() : undefined;
    },
  };

  /** The relay must know nothing: all that it ever stored is searched. */
  searchForPlaintext(): void {
    const found = (where: string): void => this.oracle.find("other", "relay", "", `plaintext in ${where}`);
    for (const log of this.oracle.logs.values()) {
      for (const { entry } of log.values()) {
        if ("inline" in entry.payload && hasPlaintext(decodeBase64Url(entry.payload.inline))) found("the log");
      }
    }
    for (const body of this.#bodies.values()) if (hasPlaintext(body)) found("a blob");
    const { log: _, blobs: __, ...others } = this.tables;
    const text = JSON.stringify(others, (_key, value: unknown) =>
      value instanceof Map || value instanceof Set ? [...value] : value,
    );
    if (hasPlaintext(text)) found("a table");
  }

  #landed(conversation: string, entry: StoredEntry): void {
    this.trace.note("log", `${conversation} ${entry.seq} ${entry.kind} after ${entry.prev}, turn ${entry.turn}`);
    this.oracle.landed(conversation, entry);
  }

  #seen(frame: string, device: string): void {
    if (hasPlaintext(frame)) this.oracle.find("other", device, "", "plaintext in a frame");
    for (const [, payload] of frame.matchAll(/"inline":"([A-Za-z0-9_-]+)"/g)) {
      this.#released(decodeBase64Url(payload as string), device);
    }
  }

  #released(payload: Uint8Array, device: string): void {
    if (!this.#guard.releases(payload)) this.oracle.find("other", device, "", "a message key was used twice");
  }

  #blobName(target: string): readonly [name: string, hash: string] {
    const name = target.slice("memory:".length);
    return [name, name.split("/")[1] ?? ""];
  }

  #random(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at += 4) {
      let word = Math.floor(this.dice.next() * 2 ** 32);
      for (let index = at; index < Math.min(at + 4, length); index++) {
        bytes[index] = word & 0xff;
        word >>>= 8;
      }
    }
    return bytes;
  }

  #relayRandom(): Random {
    return {
      id: (bytes) => Buffer.from(this.#random(bytes)).toString("base64url"),
      fraction: () => this.dice.next(),
    };
  }
}
