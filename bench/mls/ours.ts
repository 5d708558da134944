/** Our engine's operations, on any provider: runs in Node and in a browser. */
import * as mls from "@tacit/mls";
import { bigGroup, newClient, type BigGroup } from "./bigGroup.ts";
import { newCertifier, type Certifier } from "./certificate.ts";
import { cost, floors, primitiveMeasures, type Primitive, type Shape } from "./floor.ts";
import { interleave, timed, timedRepeatedly, type InterleaveOptions, type Measure } from "./measure.ts";
import type { Row } from "./row.ts";

export interface OursOptions extends InterleaveOptions {
  /** A provider without cached keys, as a client has it that joins a group that it does not know. */
  readonly newProvider: () => mls.CryptoProvider;
  readonly runtime: string;
  readonly suites: readonly number[];
  readonly sizes: readonly number[];
  readonly now: bigint;
  readonly progress: (text: string) => void;
  /** Other libraries, measured in the same rounds. */
  readonly peers?: (groups: readonly BigGroup[], certifier: Certifier) => Promise<readonly Measure[]>;
}

export interface OursResult {
  readonly rows: readonly Row[];
  readonly peers: ReadonlyMap<string, number>;
  /** Milliseconds of each primitive, by suite. */
  readonly primitives: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

export const payload = new Uint8Array(200).fill(0x61);

const total = (chunks: readonly mls.RatchetChunk[]): number =>
  chunks.reduce((bytes, chunk) => bytes + chunk.key.length + (chunk.bytes?.length ?? 0), 0);

interface Prepared {
  readonly measures: readonly Measure[];
  readonly group: BigGroup;
  readonly shape: Shape;
  readonly bytes: Readonly<Record<string, number>>;
}

/** Four members spread over the tree, in turn committing; the others follow. */
function commits(
  group: BigGroup,
  certifier: Certifier,
): { update: Measure["run"]; process: Measure["run"]; states: () => readonly mls.GroupState[] } {
  const { authentication } = certifier;
  const leaves = [...new Set([0, group.size >> 1, (group.size >> 1) - 1, group.size - 1])].filter((leaf) => leaf >= 0);
  let states = leaves.map((leaf) => group.state(leaf));
  let turn = 0;
  const step = async (): Promise<{ update: number; process: number; receivers: number }> => {
    const committer = turn++ % states.length;
    const start = performance.now();
    const created = await mls.createCommit(states[committer] as mls.GroupState, { authentication });
    const update = performance.now() - start;
    const next: mls.GroupState[] = [];
    let process = 0;
    for (const [index, state] of states.entries()) {
      if (index === committer) {
        next.push(created.next);
        continue;
      }
      const from = performance.now();
      const received = await mls.processMessage(state, created.commit, { authentication });
      process += performance.now() - from;
      next.push(received.state);
    }
    states = next;
    return { update, process, receivers: states.length - 1 };
  };
  return {
    states: () => states,
    async update(count) {
      const samples: number[] = [];
      for (let i = 0; i < count; i++) samples.push((await step()).update);
      return samples;
    },
    async process(count) {
      const samples: number[] = [];
      for (let i = 0; i < count; i++) {
        const { process, receivers } = await step();
        samples.push(process / receivers);
      }
      return samples;
    },
  };
}

/** Length of an update path, and how much of it a receiver derives, in a full tree of `size` leaves. */
function paths(size: number): { readonly path: number; readonly derived: number } {
  const leaves = [...new Set([0, size >> 1, (size >> 1) - 1, size - 1])].filter((leaf) => leaf >= 0);
  const levelsOf = (leaf: number): number[] => {
    const levels: number[] = [];
    // A node is in the path only if its other child has a member below it.
    for (let level = 0; 1 << level < size; level++) if (((leaf >> level) ^ 1) << level < size) levels.push(level);
    return levels;
  };
  let path = 0;
  let derived = 0;
  let pairs = 0;
  for (const sender of leaves) {
    const levels = levelsOf(sender);
    path += levels.length / leaves.length;
    for (const receiver of leaves) {
      if (receiver === sender) continue;
      pairs++;
      derived += levels.filter((level) => level >= 31 - Math.clz32(sender ^ receiver)).length;
    }
  }
  return { path, derived: derived / pairs };
}

async function prepare(
  suite: mls.CipherSuite,
  size: number,
  options: OursOptions,
  certifier: Certifier,
  prefix: string,
): Promise<Prepared> {
  const { authentication, lifetime, now } = certifier;
  const group = await bigGroup(suite, certifier, size);
  const elsewhere = mls.getCipherSuite(suite.id, options.newProvider());
  const [alice, bob] = [group.state(0), group.state(size - 1)];

  let sender = alice;
  let receiver = bob;
  const queue: Uint8Array[] = [];
  const encrypt = async (): Promise<void> => {
    const sent = await mls.createMessage(sender, payload);
    sender = sent.state;
    queue.push(sent.message);
  };
  const decrypt = async (message: Uint8Array): Promise<void> => {
    receiver = (await mls.processMessage(receiver, message, { authentication })).state;
  };
  const joiners = async (count: number): Promise<Awaited<ReturnType<typeof newClient>>[]> => {
    const clients = [];
    for (let i = 0; i < count; i++) clients.push(await newClient(elsewhere, certifier, "newcomer"));
    return clients;
  };
  const addition = ({ bytes }: mls.GeneratedKeyPackage): mls.CreateCommitOptions => ({
    authentication,
    lifetime: { now },
    forcePath: false,
    proposals: [{ type: "add", keyPackage: mls.decodeKeyPackage(bytes) }],
  });

  const commit = commits(group, certifier);
  const signatureKeyPair = await suite.generateSignatureKeyPair();
  const credential = {
    type: "basic",
    identity: await certifier.certify("client", signatureKeyPair.publicKey),
  } as const;
  const newKeyPackage = (): Promise<mls.GeneratedKeyPackage> =>
    mls.generateKeyPackage({ suite, credential, signatureKeyPair, lifetime });

  // Bytes, from one run of each.
  const [newcomer] = await joiners(1);
  const added = await mls.createCommit(alice, {
    ...addition(newcomer as mls.GeneratedKeyPackage),
    ratchetTreeInWelcome: true,
  });
  const updated = await mls.createCommit(alice, { authentication });
  const message = await mls.createMessage(alice, payload);
  const read = await mls.processMessage(bob, message.message, { authentication });
  const epochBytes = mls.encodeEpoch(updated.next).length + total(mls.encodeRatchets(updated.next, alice));
  const bytes = {
    encrypt: message.message.length,
    decrypt: message.message.length,
    keyPackage: (await newKeyPackage()).bytes.length,
    add: added.commit.length,
    join: added.welcomes[0]?.bytes.length ?? 0,
    update: updated.commit.length,
    processUpdate: updated.commit.length,
    // The first message of an epoch writes most.
    storeMessage: Math.max(total(mls.encodeRatchets(message.state, alice)), total(mls.encodeRatchets(read.state, bob))),
    storeCommit: epochBytes,
  };

  const measure = (operation: string, run: Measure["run"], most?: number): Measure => ({
    key: prefix + operation,
    run,
    ...(most === undefined ? {} : { most }),
  });
  return {
    group,
    bytes,
    shape: {
      size,
      ...paths(size),
      epochBytes,
      messageChunkBytes: bytes.storeMessage,
      welcomeBytes: bytes.join,
    },
    measures: [
      measure("encrypt", (count) => timedRepeatedly(count, encrypt), 200),
      measure(
        "decrypt",
        async (count) => {
          while (queue.length < count) await encrypt();
          return timed(queue.splice(0, count), decrypt);
        },
        200,
      ),
      measure("keyPackage", (count) => timedRepeatedly(count, newKeyPackage), 50),
      measure(
        "add",
        async (count) => timed((await joiners(count)).map(addition), (given) => mls.createCommit(alice, given)),
        20,
      ),
      measure(
        "join",
        async (count) => {
          const inputs: mls.JoinGroupOptions[] = [];
          for (const client of await joiners(count)) {
            const created = await mls.createCommit(alice, { ...addition(client), ratchetTreeInWelcome: true });
            const fresh = mls.getCipherSuite(suite.id, options.newProvider());
            const welcome = created.welcomes[0]?.bytes ?? new Uint8Array(0);
            inputs.push({ suite: fresh, welcome, ...client, authentication, lifetime: { now } });
          }
          return timed(inputs, mls.joinGroup);
        },
        4,
      ),
      measure("update", commit.update, 12),
      measure("processUpdate", commit.process, 12),
      measure(
        "storeMessage",
        async (count) => {
          const pairs: (readonly [mls.GroupState, mls.GroupState])[] = [];
          for (let i = 0; i < count; i++) {
            const before = sender;
            await encrypt();
            pairs.push([sender, before]);
          }
          return timed(pairs, ([after, before]) => mls.encodeRatchets(after, before));
        },
        50,
      ),
      measure(
        "storeCommit",
        async (count) => {
          const pairs: (readonly [mls.GroupState, mls.GroupState])[] = [];
          for (let i = 0; i < count; i++) {
            const before = commit.states()[0] as mls.GroupState;
            await commit.update(1);
            pairs.push([commit.states()[0] as mls.GroupState, before]);
          }
          return timed(pairs, ([after, before]) => [mls.encodeEpoch(after), mls.encodeRatchets(after, before)]);
        },
        8,
      ),
    ],
  };
}

export async function measureOurs(options: OursOptions): Promise<OursResult> {
  const provider = options.newProvider();
  const certifier = await newCertifier(provider, options.now);
  const measures: Measure[] = [];
  const prepared: { readonly suite: mls.CipherSuite; readonly prefix: string; readonly of: Prepared }[] = [];
  for (const id of options.suites) {
    const suite = mls.getCipherSuite(id, provider);
    measures.push(...(await primitiveMeasures(provider, suite, `${id}/floor/`)));
    for (const size of options.sizes) {
      options.progress(`${options.runtime}: a group of ${size} in suite 0x${id.toString(16).padStart(4, "0")}`);
      const prefix = `${id}/${size}/`;
      const of = await prepare(suite, size, options, certifier, prefix);
      prepared.push({ suite, prefix, of });
      measures.push(...of.measures);
    }
  }
  const peers =
    (await options.peers?.(
      prepared.map(({ of }) => of.group),
      certifier,
    )) ?? [];
  measures.push(...peers);
  options.progress(`${options.runtime}: measuring`);
  const ms = await interleave(measures, options);
  const rows = prepared.flatMap(({ suite, prefix, of }) => {
    const primitive = (name: Primitive): number => ms.get(`${suite.id}/floor/${name}`) ?? Number.NaN;
    const counts = floors(suite, of.shape);
    return of.measures.map(({ key }): Row => {
      const operation = key.slice(prefix.length);
      return {
        library: "@tacit/mls",
        runtime: options.runtime,
        suite: suite.id,
        operation,
        size: of.shape.size,
        ms: ms.get(key) ?? Number.NaN,
        bytes: of.bytes[operation] ?? 0,
        floorMs: cost(counts[operation] ?? {}, primitive),
      };
    });
  });
  const primitives = Object.fromEntries(
    options.suites.map((id) => {
      const prefix = `${id}/floor/`;
      const own = [...ms]
        .filter(([key]) => key.startsWith(prefix))
        .map(([key, value]) => [key.slice(prefix.length), value]);
      return [String(id), Object.fromEntries(own) as Record<string, number>];
    }),
  );
  return { rows, peers: new Map(peers.map(({ key }) => [key, ms.get(key) ?? Number.NaN])), primitives };
}
