/** Clients and groups for the tests: seeded randomness, a hook that reads names, and a group whose members all follow. */
import { createHash } from "node:crypto";
import {
  createCommit,
  createGroup,
  epochAuthenticator,
  generateKeyPackage,
  getCipherSuite,
  joinGroup,
  processMessage,
  type AuthenticationService,
  type CipherSuite,
  type CreateCommitOptions,
  type CreatedCommit,
  type GeneratedKeyPackage,
  type GenerateKeyPackageOptions,
  type GroupConfig,
  type GroupState,
  type KeyPair,
} from "@tacit/mls";
import { nodeProvider } from "@tacit/mls/providers/node";
import { encodeRatchetTree, type Extension } from "@tacit/mls";

export const now = 1_800_000_000n;
export const lifetime = { notBefore: now - 3600n, notAfter: now + 86_400n };

/** Bytes of SHA-256 in counter mode: the same for the same seed. */
export function seededRandom(seed: string): (length: number) => Uint8Array {
  let counter = 0;
  return (length) => {
    const result = new Uint8Array(length);
    for (let offset = 0; offset < length; offset += 32) {
      const block = createHash("sha256").update(`${seed}/${counter++}`).digest();
      result.set(block.subarray(0, Math.min(32, length - offset)), offset);
    }
    return result;
  };
}

export const suiteIds = [0x0001, 0x0002, 0x0003, 0xf0a1, 0xf0a2];

export function testSuite(id = 0x0001, seed = "tests"): CipherSuite {
  return getCipherSuite(id, nodeProvider({ random: seededRandom(seed) }));
}

const decoder = new TextDecoder();

/** Accepts every basic credential whose name does not begin with "mallory"; a client is its name. */
export const authentication: AuthenticationService = {
  authenticate: (credential) =>
    credential.type === "basic" && !decoder.decode(credential.identity).startsWith("mallory"),
  identity: (credential) => (credential.type === "basic" ? decoder.decode(credential.identity) : ""),
};

export const text = (value: string): Uint8Array => new TextEncoder().encode(value);
export const show = (bytes: Uint8Array): string => decoder.decode(bytes);

export interface Client extends GeneratedKeyPackage {
  readonly name: string;
  readonly signatureKeyPair: KeyPair;
}

export async function newClient(
  suite: CipherSuite,
  name: string,
  options: Partial<GenerateKeyPackageOptions> = {},
): Promise<Client> {
  const signatureKeyPair = options.signatureKeyPair ?? (await suite.generateSignatureKeyPair());
  const generated = await generateKeyPackage({
    suite,
    credential: { type: "basic", identity: text(name) },
    lifetime,
    ...options,
    signatureKeyPair,
  });
  return { ...generated, name, signatureKeyPair };
}

/** The states of all members by name, changed by the functions below. */
export interface World {
  readonly suite: CipherSuite;
  readonly states: Map<string, GroupState>;
  readonly config: GroupConfig | undefined;
}

export async function newWorld(
  suite: CipherSuite,
  creator = "alice",
  options: {
    readonly config?: GroupConfig;
    readonly extensions?: readonly Extension[];
    readonly client?: Partial<GenerateKeyPackageOptions>;
    readonly authentication?: AuthenticationService;
  } = {},
): Promise<World> {
  const client = await newClient(suite, creator, options.client);
  const state = await createGroup({
    suite,
    groupId: text("group"),
    keyPackage: client.keyPackage,
    privateKeys: client.privateKeys,
    authentication: options.authentication ?? authentication,
    ...(options.config === undefined ? {} : { config: options.config }),
    ...(options.extensions === undefined ? {} : { extensions: options.extensions }),
  });
  return { suite, states: new Map([[creator, state]]), config: options.config };
}

export function stateOf(world: World, name: string): GroupState {
  const state = world.states.get(name);
  if (state === undefined) throw new Error(`${name} is not a member`);
  return state;
}

export function leafOf(world: World, name: string): number {
  return stateOf(world, name).epoch.ownLeafIndex;
}

/** Commits, and lets everyone follow; who was removed is dropped and returned. */
export async function commit(
  world: World,
  committer: string,
  options: Partial<CreateCommitOptions> = {},
): Promise<CreatedCommit & { readonly removed: Map<string, GroupState> }> {
  const created = await createCommit(stateOf(world, committer), { authentication, ...options });
  const removed = new Map<string, GroupState>();
  for (const [name, state] of [...world.states]) {
    if (name === committer) continue;
    const received = await processMessage(state, created.commit, { authentication });
    if (received.kind !== "commit") throw new Error("expected a commit");
    if (received.removed) {
      removed.set(name, state);
      world.states.delete(name);
    } else {
      world.states.set(name, received.state);
    }
  }
  world.states.set(committer, created.next);
  return { ...created, removed };
}

export async function join(world: World, client: Client, created: CreatedCommit): Promise<GroupState> {
  const welcome = created.welcomes.find(({ newMembers }) =>
    newMembers.some(({ keyPackageRef }) => Buffer.from(keyPackageRef).equals(client.ref)),
  );
  if (welcome === undefined) throw new Error("no Welcome for this client");
  const joined = await joinGroup({
    suite: world.suite,
    welcome: welcome.bytes,
    keyPackage: client.keyPackage,
    privateKeys: client.privateKeys,
    ratchetTree: encodeRatchetTree(created.next),
    authentication,
    lifetime: { now },
    ...(world.config === undefined ? {} : { config: world.config }),
  });
  world.states.set(client.name, joined.state);
  return joined.state;
}

/** Adds clients by these names. */
export async function add(
  world: World,
  committer: string,
  names: readonly string[],
  options: Partial<CreateCommitOptions> = {},
): Promise<void> {
  const clients = await Promise.all(names.map((name) => newClient(world.suite, name)));
  const created = await commit(world, committer, {
    ...options,
    proposals: [
      ...(options.proposals ?? []),
      ...clients.map(({ keyPackage }) => ({ type: "add", keyPackage }) as const),
    ],
  });
  for (const client of clients) await join(world, client, created);
}

/** Everyone has the same epoch authenticator, and it is the only one. */
export function expectAgreement(world: World): void {
  const seen = new Set(
    [...world.states.values()].map((state) => Buffer.from(epochAuthenticator(state)).toString("hex")),
  );
  expect(seen.size).toBe(1);
}
