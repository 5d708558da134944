/**
 * A random group under random events, honest and malicious. After each step all members agree on the epoch; whoever was removed
 * is given the next commit and finds no ciphertext in it that any of its keys opens.
 */
import {
  createCommit,
  createGroupInfo,
  createMessage,
  createProposal,
  decodeState,
  encodeEpoch,
  encodeRatchets,
  encodeRatchetTree,
  epochAuthenticator,
  joinExternally,
  joinGroup,
  lenientConfig,
  MlsError,
  processMessage,
  requiredCapabilitiesExtension,
  strictConfig,
  type CipherSuite,
  type CreatedCommit,
  type GroupState,
  type Proposal,
} from "@tacit/mls";
import type { HpkeCiphertext } from "../../mls/src/cipherSuite.ts";
import { decodeMlsMessage } from "../../mls/src/mlsMessage.ts";
import { openPrivateMessage } from "../../mls/src/privateMessage.ts";
import { encryptionKeyAt } from "../../mls/src/ratchetTree.ts";
import { encodeGroupContext } from "../../mls/src/groupContext.ts";
import { forgeCommit, type Forgery } from "./forge.ts";
import { authentication, lifetime, newClient, now, testSuite, text, type Client } from "./world.ts";
import { createGroup } from "@tacit/mls";

export interface SimulationResult {
  readonly steps: number;
  readonly disagreements: number;
  readonly leaks: number;
  readonly commits: number;
  readonly refused: number;
  readonly largest: number;
}

/** mulberry32 */
function dice(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const forgeries: readonly Forgery[] = [
  { pathSecrets: (secrets) => secrets.map((secret) => secret.map((byte) => byte ^ 1)) },
  { auth: (auth) => ({ ...auth, confirmationTag: new Uint8Array(32) }) },
  { updatePath: (path) => ({ ...path, nodes: path.nodes.slice(1) }) },
  { signedLeaf: (leaf) => ({ ...leaf, signature: new Uint8Array(64) }) },
  { leaf: (leaf) => ({ ...leaf, credential: { type: "basic", identity: text("mallory") } }) },
  { path: false },
];

class Simulation {
  readonly #random: () => number;
  readonly #suite: CipherSuite;
  readonly #maximum: number;
  readonly #members = new Map<string, GroupState>();
  #names = 0;
  disagreements = 0;
  leaks = 0;
  commits = 0;
  refused = 0;
  largest = 1;

  constructor(suite: CipherSuite, seed: number, maximum: number) {
    this.#suite = suite;
    this.#random = dice(seed);
    this.#maximum = maximum;
  }

  #below(bound: number): number {
    return Math.floor(this.#random() * bound);
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#below(items.length)] as T;
  }

  #name(): string {
    return `member ${this.#names++}`;
  }

  #client(name: string): Promise<Client> {
    return newClient(this.#suite, name, { capabilities: { extensions: [0xf0f0] } });
  }

  async start(): Promise<void> {
    const client = await this.#client(this.#name());
    const state = await createGroup({
      suite: this.#suite,
      groupId: text(`group of ${client.name}`),
      keyPackage: client.keyPackage,
      privateKeys: client.privateKeys,
      authentication,
      config: this.#chance(0.5) ? strictConfig : { ...lenientConfig, pastEpochs: 1 },
    });
    this.#members.set(client.name, state);
  }

  async step(): Promise<void> {
    const action = this.#random();
    if (action < 0.12) await this.#talk();
    else if (action < 0.27) await this.#propose();
    else if (action < 0.35) this.#restart();
    else if (action < 0.43) await this.#enter();
    else if (action < 0.55) await this.#attack();
    else await this.#commit();
    this.#compare();
    this.largest = Math.max(this.largest, this.#members.size);
  }

  #compare(): void {
    const seen = new Set<string>();
    for (const state of this.#members.values()) seen.add(Buffer.from(epochAuthenticator(state)).toString("hex"));
    if (seen.size !== 1) this.disagreements++;
  }

  /** Some messages are lost to some; who hears them hears them right. */
  async #talk(): Promise<void> {
    const sender = this.#pick([...this.#members.keys()]);
    for (let count = this.#below(4); count >= 0; count--) {
      const plaintext = `${sender} ${this.#random()}`;
      const sent = await createMessage(this.#members.get(sender) as GroupState, text(plaintext));
      this.#members.set(sender, sent.state);
      for (const [name, state] of [...this.#members]) {
        if (name === sender || this.#chance(0.3)) continue;
        const received = await processMessage(state, sent.message, { authentication });
        if (received.kind !== "application" || Buffer.from(received.plaintext).toString() !== plaintext) {
          this.disagreements++;
        }
        this.#members.set(name, received.state);
      }
    }
  }

  async #propose(): Promise<void> {
    const sender = this.#pick([...this.#members.keys()]);
    const state = this.#members.get(sender) as GroupState;
    const others = [...this.#members.keys()].filter((name) => name !== sender);
    const victim = this.#members.get(this.#pick(others.length > 0 ? others : [sender])) as GroupState;
    const proposal =
      this.#chance(0.3) && others.length > 1
        ? ({ type: "remove", removed: victim.epoch.ownLeafIndex } as const)
        : this.#chance(0.5)
          ? ({ type: "update", leaf: { signatureKeyPair: await this.#suite.generateSignatureKeyPair() } } as const)
          : ({ type: "update" } as const);
    const options = { authentication, privateMessage: this.#chance(0.5) };
    const created = await createProposal(state, proposal, options);
    this.#members.set(sender, created.state);
    for (const [name, each] of [...this.#members]) {
      if (name === sender) continue;
      this.#members.set(name, (await processMessage(each, created.message, { authentication })).state);
    }
  }

  #restart(): void {
    const name = this.#pick([...this.#members.keys()]);
    const state = this.#members.get(name) as GroupState;
    const chunks = encodeRatchets(state).map(({ key, bytes }) => [key, bytes as Uint8Array] as const);
    this.#members.set(name, decodeState(this.#suite, encodeEpoch(state), chunks));
  }

  async #deliver(bytes: Uint8Array, except: string | undefined): Promise<void> {
    const dropped: GroupState[] = [];
    for (const [name, state] of [...this.#members]) {
      if (name === except) continue;
      const received = await processMessage(state, bytes, { authentication });
      if (received.kind !== "commit") throw new Error("expected a commit");
      if (received.removed) {
        dropped.push(state);
        this.#members.delete(name);
      } else {
        this.#members.set(name, received.state);
      }
    }
    this.commits++;
    for (const state of dropped) await this.#checkShutOut(state, bytes);
  }

  /** With its whole old state, a removed member opens nothing in the path of the commit that removed it. */
  async #checkShutOut(removed: GroupState, bytes: Uint8Array): Promise<void> {
    const after = [...this.#members.values()][0] as GroupState;
    const message = decodeMlsMessage(bytes);
    const { epoch, ratchets } = removed;
    let framed;
    if (message.wireFormat === "publicMessage") {
      framed = message.publicMessage.framed;
    } else if (message.wireFormat === "privateMessage") {
      const { senderDataSecret } = epoch.secrets;
      const protection = { senderDataSecret, secretTree: ratchets.current, config: epoch.config };
      framed = openPrivateMessage(this.#suite, protection, message.privateMessage, () => undefined).framed;
    }
    if (framed?.content.contentType !== "commit" || framed.content.commit.path === undefined) {
      this.leaks++;
      return;
    }
    const { groupContext } = after.epoch;
    const context = encodeGroupContext({
      ...groupContext,
      confirmedTranscriptHash: epoch.groupContext.confirmedTranscriptHash,
    });
    const ciphertexts = framed.content.commit.path.nodes.flatMap(({ encryptedPathSecrets }) => encryptedPathSecrets);
    for (const ciphertext of ciphertexts) {
      for (const [node, key] of epoch.pathKeys) {
        const publicKey = encryptionKeyAt(epoch.tree, node) as Uint8Array;
        if (await this.#opens(key, publicKey, context, ciphertext)) this.leaks++;
      }
    }
    const next = await createMessage(after, text("secret"));
    const read = await processMessage(removed, next.message, { authentication }).catch((error: unknown) => error);
    if (!(read instanceof MlsError)) this.leaks++;
  }

  async #opens(
    key: Uint8Array,
    publicKey: Uint8Array,
    context: Uint8Array,
    ciphertext: HpkeCiphertext,
  ): Promise<boolean> {
    try {
      await this.#suite.decryptWithLabel(key, publicKey, "UpdatePathNode", context, ciphertext);
      return true;
    } catch (error) {
      if (error instanceof MlsError && error.code === "hpke_failed") return false;
      throw error;
    }
  }

  async #commit(): Promise<void> {
    const committer = this.#pick([...this.#members.keys()]);
    const state = this.#members.get(committer) as GroupState;
    const proposals: Proposal[] = [];
    const clients: Client[] = [];
    if (this.#chance(0.5)) {
      for (let count = this.#below(4); count > 0 && this.#members.size + clients.length < this.#maximum; count--) {
        const client = await this.#client(this.#name());
        clients.push(client);
        proposals.push({ type: "add", keyPackage: client.keyPackage });
      }
    }
    if (this.#chance(0.3)) {
      const others = [...this.#members.keys()].filter((name) => name !== committer);
      const victims = new Set<number>();
      for (let count = this.#below(Math.min(4, others.length)); count > 0; count--) {
        victims.add((this.#members.get(this.#pick(others)) as GroupState).epoch.ownLeafIndex);
      }
      for (const removed of victims) proposals.push({ type: "remove", removed });
    }
    if (this.#chance(0.1)) {
      const extensions = [requiredCapabilitiesExtension({ extensions: [0xf0f0], proposals: [], credentials: [1] })];
      proposals.push({ type: "groupContextExtensions", extensions: this.#chance(0.5) ? extensions : [] });
    }
    const leaf = this.#chance(0.2) ? { signatureKeyPair: await this.#suite.generateSignatureKeyPair() } : undefined;
    const created = await createCommit(state, {
      authentication,
      proposals,
      references: this.#chance(0.8) ? "all" : "none",
      forcePath: this.#chance(0.5),
      privateMessage: this.#chance(0.7),
      welcome: this.#chance(0.5) ? "shared" : "separate",
      ratchetTreeInWelcome: this.#chance(0.5),
      lifetime: { now },
      ...(leaf === undefined ? {} : { leaf }),
    });
    this.#members.set(committer, created.next);
    await this.#deliver(created.commit, committer);
    for (const client of clients) await this.#join(client, created);
  }

  async #join(client: Client, created: CreatedCommit): Promise<void> {
    const welcome = created.welcomes.find(({ newMembers }) =>
      newMembers.some(({ keyPackageRef }) => Buffer.from(keyPackageRef).equals(client.ref)),
    );
    const joined = await joinGroup({
      suite: this.#suite,
      welcome: (welcome as { bytes: Uint8Array }).bytes,
      keyPackage: client.keyPackage,
      privateKeys: client.privateKeys,
      ratchetTree: encodeRatchetTree(created.next),
      authentication,
      lifetime: { now: lifetime.notBefore },
      config: created.next.epoch.config,
    });
    this.#members.set(client.name, joined.state);
  }

  /** A stranger enters, or a member who lost its state returns. */
  async #enter(): Promise<void> {
    const returning = this.#chance(0.5) && this.#members.size > 1;
    const name = returning ? this.#pick([...this.#members.keys()]) : this.#name();
    if (!returning && this.#members.size >= this.#maximum) return;
    const former = this.#members.get(name);
    if (returning) this.#members.delete(name);
    const through = this.#members.get(this.#pick([...this.#members.keys()])) as GroupState;
    const joined = await joinExternally({
      suite: this.#suite,
      groupInfo: await createGroupInfo(through, { ratchetTree: true }),
      credential: { type: "basic", identity: text(name) },
      signatureKeyPair: await this.#suite.generateSignatureKeyPair(),
      capabilities: { extensions: [0xf0f0] },
      authentication,
      config: through.epoch.config,
      ...(former === undefined ? {} : { resync: former.epoch.ownLeafIndex }),
    });
    await this.#deliver(joined.commit, undefined);
    this.#members.set(name, joined.next);
  }

  /** A malicious member's commit, or garbage: refused by all with a typed error, and forgotten. */
  async #attack(): Promise<void> {
    const attacker = this.#pick([...this.#members.keys()]);
    const state = this.#members.get(attacker) as GroupState;
    if (this.#members.size < 2) return;
    const bytes = await forgeCommit(state, this.#pick(forgeries));
    if (this.#chance(0.3)) {
      const at = this.#below(bytes.length);
      bytes[at] = (bytes[at] as number) ^ (1 + this.#below(255));
    }
    for (const [name, each] of this.#members) {
      if (name === attacker) continue;
      const outcome = await processMessage(each, bytes, { authentication }).catch((error: unknown) => error);
      if (outcome instanceof MlsError) this.refused++;
      else this.disagreements++;
    }
  }
}

export async function simulate(options: {
  readonly suite: number;
  readonly seed: number;
  readonly steps: number;
  readonly maximum: number;
}): Promise<SimulationResult> {
  const suite = testSuite(options.suite, `simulation ${options.seed}`);
  const simulation = new Simulation(suite, options.seed, options.maximum);
  await simulation.start();
  for (let step = 0; step < options.steps; step++) {
    try {
      await simulation.step();
    } catch (error) {
      throw new Error(`seed ${options.seed}, suite ${options.suite}, step ${step}: ${String(error)}`, { cause: error });
    }
  }
  const { disagreements, leaks, commits, refused, largest } = simulation;
  return { steps: options.steps, disagreements, leaks, commits, refused, largest };
}
