/**
 * The floor: the primitives that an operation of RFC 9420 cannot avoid, each timed by itself in the same rounds. Counted are
 * signatures, KEM operations, HMAC, hashes and AEAD; codecs, copies and checks cost nothing here.
 */
import type { CipherSuite, CryptoProvider } from "@tacit/mls";
import { timed, timedRepeatedly, type Measure } from "./measure.ts";

const names = [
  "sign",
  "verify",
  "verifyNewKey",
  "hmac",
  "hash200",
  "hash1k",
  "seal300",
  "open300",
  "open64k",
  "copy64k",
  "x25519Generate",
  "x25519Public",
  "x25519Ephemeral",
  "x25519Agree",
  "mlKemKeyPair",
  "mlKemEncapsulate",
  "mlKemDecapsulate",
  "sha3",
  "shake",
] as const;
export type Primitive = (typeof names)[number];
export type Counts = Partial<Record<Primitive, number>>;

export function sum(...all: readonly Counts[]): Counts {
  const result: Counts = {};
  for (const counts of all) for (const name of names) result[name] = (result[name] ?? 0) + (counts[name] ?? 0);
  return result;
}
export function times(factor: number, counts: Counts): Counts {
  return Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, factor * count]));
}
export function cost(counts: Counts, ms: (primitive: Primitive) => number): number {
  return names.reduce((all, name) => all + ((counts[name] ?? 0) === 0 ? 0 : (counts[name] ?? 0) * ms(name)), 0);
}

export async function primitiveMeasures(
  provider: CryptoProvider,
  suite: CipherSuite,
  prefix: string,
): Promise<Measure[]> {
  const postQuantum = suite.id >= 0xf000;
  const hash = provider.hashes[suite.hashLength === 48 ? "SHA-384" : "SHA-256"];
  const aead = provider.aeads[suite.keyLength === 32 ? "AES-256-GCM" : "AES-128-GCM"];
  const { Ed25519 } = provider.signatures;
  const { X25519 } = provider.curves;
  const { mlKem768 } = provider;
  const random = provider.random;
  const signer = await Ed25519.generate();
  const message = random(300);
  const signature = await Ed25519.sign(signer.privateKey, message);
  const own = await X25519.generate();
  const key = random(suite.keyLength);
  const nonce = random(suite.nonceLength);
  const aad = random(60);
  const sealed300 = aead.seal(key, nonce, aad, random(300));
  const sealed64k = aead.seal(key, nonce, aad, random(65_536));
  const hmacKey = random(suite.hashLength);
  const [bytes60, bytes200, bytes1k, bytes64k] = [random(60), random(200), random(1024), random(65_536)];
  const seed = random(64);
  const kem = mlKem768.keyPair(seed);
  const encapsulated = mlKem768.encapsulate(kem.publicKey, random(32));
  if (encapsulated === undefined) throw new Error("ML-KEM refuses its own key");

  const repeat = (name: Primitive, operation: () => unknown): Measure => ({
    key: prefix + name,
    most: 40,
    run: (count) => timedRepeatedly(count, operation, 8),
  });
  /** With keys that the provider has not seen, as those of a group that is joined. */
  const withNew = <Input>(
    name: Primitive,
    prepare: () => Promise<Input>,
    operation: (input: Input) => unknown,
  ): Measure => ({
    key: prefix + name,
    most: 50,
    async run(count) {
      const inputs: Input[] = [];
      for (let i = 0; i < count; i++) inputs.push(await prepare());
      return timed(inputs, operation);
    },
  });
  return [
    repeat("sign", () => Ed25519.sign(signer.privateKey, message)),
    repeat("verify", () => Ed25519.verify(signer.publicKey, message, signature)),
    withNew(
      "verifyNewKey",
      async () => {
        const pair = await Ed25519.generate();
        return { ...pair, signature: await Ed25519.sign(pair.privateKey, message) };
      },
      (input) => Ed25519.verify(input.publicKey, message, input.signature),
    ),
    repeat("hmac", () => hash.hmac(hmacKey, bytes60)),
    repeat("hash200", () => hash.digest(bytes200)),
    repeat("hash1k", () => hash.digest(bytes1k)),
    repeat("seal300", () => aead.seal(key, nonce, aad, message)),
    repeat("open300", () => aead.open(key, nonce, aad, sealed300)),
    repeat("open64k", () => aead.open(key, nonce, aad, sealed64k)),
    repeat("copy64k", () => bytes64k.slice()),
    repeat("x25519Generate", () => X25519.generate()),
    withNew(
      "x25519Public",
      async () => random(32),
      (privateKey) => X25519.publicKey(privateKey),
    ),
    withNew(
      "x25519Ephemeral",
      async () => (await X25519.generate()).publicKey,
      (publicKey) => X25519.ephemeral(publicKey),
    ),
    withNew(
      "x25519Agree",
      async () => (await X25519.generate()).publicKey,
      (publicKey) => X25519.agree(own.privateKey, publicKey),
    ),
    ...(postQuantum
      ? [
          repeat("mlKemKeyPair", () => mlKem768.keyPair(seed)),
          repeat("mlKemEncapsulate", () => mlKem768.encapsulate(kem.publicKey, seed.subarray(0, 32))),
          repeat("mlKemDecapsulate", () => mlKem768.decapsulate(kem.privateKey, encapsulated.ciphertext)),
          repeat("sha3", () => provider.hashes["SHA3-256"].digest(bytes200)),
          repeat("shake", () => provider.shake256(bytes60, 96)),
        ]
      : []),
  ];
}

export interface Shape {
  readonly size: number;
  /** Nodes of an update path, mean of those that commit. */
  readonly path: number;
  /** Nodes that a receiver of it derives, mean. */
  readonly derived: number;
  readonly epochBytes: number;
  readonly messageChunkBytes: number;
  readonly welcomeBytes: number;
}

export function floors(suite: CipherSuite, shape: Shape): Readonly<Record<string, Counts>> {
  const postQuantum = suite.id >= 0xf000;
  const { size, path, derived } = shape;
  const depth = Math.ceil(Math.log2(size));
  const leafHash = postQuantum ? { hash1k: 1.6 } : { hash200: 2 };
  const parentHash = postQuantum ? { hash1k: 1.3 } : { hash200: 1 };
  const nodeHash = parentHash;
  const generate: Counts = postQuantum ? { mlKemKeyPair: 1, x25519Public: 1, shake: 1 } : { x25519Generate: 1 };
  const derive: Counts = postQuantum ? { mlKemKeyPair: 1, x25519Public: 1, shake: 2 } : { x25519Public: 1, hmac: 2 };
  // HPKE, base mode: the hash of the empty psk_id can be kept, the exporter secret left out.
  const seal: Counts = postQuantum
    ? { mlKemEncapsulate: 1, x25519Ephemeral: 1, sha3: 1, hmac: 4, seal300: 1 }
    : { x25519Ephemeral: 1, hmac: 6, seal300: 1 };
  const open: Counts = postQuantum
    ? { mlKemDecapsulate: 1, x25519Agree: 1, sha3: 1, hmac: 4, open300: 1 }
    : { x25519Agree: 1, hmac: 6, open300: 1 };
  // Three of a message's ratchet, two of its sender data.
  const framing: Counts = { hmac: 5 };
  // The first message of an epoch expands the secret tree down to its sender.
  const firstFraming: Counts = { hmac: 5 + 2 * depth + 2 };
  // Joiner, member, epoch secret, nine secrets of the epoch, the confirmation tag, and the transcript.
  const schedule: Counts = { hmac: 14, hash200: 3 };
  const pathNode: Counts = sum({ hmac: 2 }, derive);
  const treeAfterPath: Counts = sum(leafHash, times(path, nodeHash), times(path, parentHash));
  return {
    encrypt: sum(framing, { sign: 1, seal300: 2 }),
    decrypt: sum(framing, { verify: 1, open300: 2 }),
    keyPackage: sum(times(2, generate), { sign: 2 }, leafHash),
    add: sum(
      { verifyNewKey: 1, verify: 2, sign: 2, seal300: 3, hmac: 3 },
      seal,
      leafHash,
      leafHash,
      times(depth, nodeHash),
      schedule,
      firstFraming,
    ),
    join: sum(
      open,
      { hmac: 3, open64k: shape.welcomeBytes / 65_536, verify: 1 + size, verifyNewKey: size },
      times(size, leafHash),
      times(Math.max(size - 1, 1), sum(nodeHash, parentHash)),
      schedule,
    ),
    update: sum(
      { sign: 2, hmac: 2, seal300: 2 },
      derive,
      times(path, sum(pathNode, seal)),
      treeAfterPath,
      schedule,
      firstFraming,
    ),
    processUpdate: sum(
      { verify: 3, hmac: 1, open300: 2 },
      open,
      times(derived, pathNode),
      treeAfterPath,
      schedule,
      firstFraming,
    ),
    storeMessage: { copy64k: shape.messageChunkBytes / 65_536 },
    storeCommit: { copy64k: shape.epochBytes / 65_536 },
  };
}
