/** What a malicious member sends in the place of a commit; `forge.ts` signs and encrypts it properly. */
import type { GroupState, Proposal } from "@tacit/mls";
import { forgeCommit, type ForgedList, type Forgery } from "../../mls/forge.ts";
import { newClient, text } from "../../mls/world.ts";
import type { Dice } from "./dice.ts";
import { externalPsk } from "./psks.ts";

export interface Attack {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Everybody must refuse; otherwise some may follow, who were sent good secrets. */
  readonly forAll: boolean;
}

type Maker = (state: GroupState, dice: Dice, others: readonly number[]) => Forgery | Promise<Forgery>;

const flip = (bytes: Uint8Array): Uint8Array => bytes.map((byte, index) => (index === 0 ? byte ^ 1 : byte));

const byValue = (...proposals: Proposal[]): readonly ForgedList[] => proposals.map((proposal) => ({ proposal }));

/** Wrong secrets, keys and shapes of the path. */
const paths: Readonly<Record<string, Maker>> = {
  "wrong path secrets": () => ({ pathSecrets: (secrets) => secrets.map(flip) }),
  "short path secrets": () => ({ pathSecrets: (secrets) => secrets.map((secret) => secret.subarray(1)) }),
  "path cut": () => ({ updatePath: (path) => ({ ...path, nodes: path.nodes.slice(1) }) }),
  "path lengthened": () => ({ updatePath: (path) => ({ ...path, nodes: [...path.nodes, ...path.nodes.slice(-1)] }) }),
  "a ciphertext too few": () => ({
    updatePath: (path) => ({
      ...path,
      nodes: path.nodes.map((node) => ({ ...node, encryptedPathSecrets: node.encryptedPathSecrets.slice(1) })),
    }),
  }),
  "one key in two nodes": () => ({
    updatePath: (path) => ({
      ...path,
      nodes: path.nodes.map((node) => ({ ...node, encryptionKey: path.leafNode.encryptionKey })),
    }),
  }),
  "a malformed key": () => ({
    updatePath: (path) => ({
      ...path,
      nodes: path.nodes.map((node) => ({ ...node, encryptionKey: new Uint8Array(3) })),
    }),
  }),
  "the path of no one": () => ({ path: false }),
  "another's leaf index": (state, _dice, others) => ({ leafIndex: others[0] ?? state.epoch.ownLeafIndex + 1 }),
  "an unsigned leaf": () => ({ signedLeaf: (leaf) => ({ ...leaf, signature: new Uint8Array(64) }) }),
  "another name": () => ({ leaf: (leaf) => ({ ...leaf, credential: { type: "basic", identity: text("nobody") } }) }),
  "a name refused": () => ({ leaf: (leaf) => ({ ...leaf, credential: { type: "basic", identity: text("mallory") } }) }),
  "no capabilities": () => ({
    leaf: (leaf) => ({ ...leaf, capabilities: { ...leaf.capabilities, cipherSuites: [] } }),
  }),
  "another's signature key": (state, _dice, others) => ({
    leaf: (leaf) => ({
      ...leaf,
      signatureKey: state.epoch.tree.leaves[others[0] ?? 0]?.signatureKey ?? leaf.signatureKey,
    }),
  }),
  "a wrong parent hash": () => ({
    leaf: (leaf) =>
      leaf.source === "commit" ? { ...leaf, parentHash: new Uint8Array(leaf.parentHash.length + 1) } : leaf,
  }),
  "the old encryption key": (state) => ({
    leaf: (leaf) => {
      const own = state.epoch.tree.leaves[state.epoch.ownLeafIndex];
      return { ...leaf, encryptionKey: own?.encryptionKey ?? leaf.encryptionKey };
    },
  }),
};

/** Proposals that must not stand in a commit. */
const lists: Readonly<Record<string, Maker>> = {
  "removes itself": (state) => ({ list: byValue({ type: "remove", removed: state.epoch.ownLeafIndex }) }),
  "removes nobody": (state) => ({ list: byValue({ type: "remove", removed: state.epoch.tree.leaves.length + 5 }) }),
  "removes twice": (_state, _dice, others) => {
    const removal = { type: "remove", removed: others[0] as number } as const;
    return { list: byValue(removal, removal) };
  },
  "removes without a path": (_state, _dice, others) => ({
    list: byValue({ type: "remove", removed: others[0] as number }),
    path: false,
  }),
  "adds a member again": async (state) => {
    const credential = state.epoch.tree.leaves[state.epoch.ownLeafIndex]?.credential;
    const name = credential?.type === "basic" ? new TextDecoder().decode(credential.identity) : "";
    return { list: byValue({ type: "add", keyPackage: (await newClient(state.suite, name)).keyPackage }) };
  },
  "adds one who cannot": async (state) => {
    const { keyPackage } = await newClient(state.suite, "unable", { capabilities: { versions: [] } });
    return { list: byValue({ type: "add", keyPackage }) };
  },
  "adds by a bad signature": async (state) => {
    const { keyPackage } = await newClient(state.suite, "unsigned");
    return { list: byValue({ type: "add", keyPackage: { ...keyPackage, signature: flip(keyPackage.signature) } }) };
  },
  "an extension nobody knows": () => ({
    list: byValue({ type: "groupContextExtensions", extensions: [{ extensionType: 0xfafa, data: text("?") }] }),
  }),
  "extensions twice": () => {
    const proposal = { type: "groupContextExtensions", extensions: [] } as const;
    return { list: byValue(proposal, proposal) };
  },
  "an external init": (state) => ({
    list: byValue({ type: "externalInit", kemOutput: state.suite.random(32) }),
  }),
  "a PSK twice": (state) => {
    const proposal = { type: "psk", id: externalPsk(state.suite, "twice") } as const;
    return { list: byValue(proposal, proposal) };
  },
  "a PSK with a short nonce": (state) => ({
    list: byValue({ type: "psk", id: { ...externalPsk(state.suite, "short"), nonce: new Uint8Array(3) } }),
  }),
  "a reinit and more": (state, _dice, others) => ({
    list: byValue(
      { type: "reinit", groupId: text("next"), version: 1, cipherSuite: state.suite.id, extensions: [] },
      { type: "remove", removed: others[0] as number },
    ),
  }),
  "a proposal never sent": (state) => ({
    commit: (commit) => ({
      ...commit,
      proposals: [{ type: "reference", reference: state.suite.random(state.suite.hashLength) }],
    }),
  }),
};

/** Wrong framing and authentication. */
const frames: Readonly<Record<string, Maker>> = {
  "a wrong confirmation tag": () => ({ auth: (auth) => ({ ...auth, confirmationTag: new Uint8Array(32) }) }),
  "a wrong signature": () => ({ auth: (auth) => ({ ...auth, signature: flip(auth.signature) }) }),
  "another wire format signed": (_state, dice) =>
    dice.chance(0.5)
      ? { wireFormat: "publicMessage", signedAs: "privateMessage" }
      : { wireFormat: "privateMessage", signedAs: "publicMessage" },
  "another's leaf in the frame": (_state, _dice, others) => ({
    wireFormat: "publicMessage",
    framed: (framed) => ({ ...framed, sender: { type: "member", leafIndex: others[0] as number } }),
  }),
  "a leaf outside of the tree": (state) => ({
    wireFormat: "publicMessage",
    framed: (framed) => ({
      ...framed,
      sender: { type: "member", leafIndex: state.epoch.tree.leaves.length + 1_000_000 },
    }),
  }),
  "a later epoch": () => ({ framed: (framed) => ({ ...framed, epoch: framed.epoch + 1n }) }),
  "another group": () => ({ framed: (framed) => ({ ...framed, groupId: text("elsewhere") }) }),
};

/** Good secrets for some alone: who got bad ones must notice, and nobody else can. */
const partial: Maker = (_state, dice) => ({
  pathSecrets: (secrets) => {
    const at = dice.below(Math.max(1, secrets.length));
    return secrets.map((secret, index) => (index === at ? flip(secret) : secret));
  },
});

const forgeries: Readonly<Record<string, Maker>> = { ...paths, ...lists, ...frames };
export const attackNames: readonly string[] = [
  ...Object.keys(forgeries),
  "bad secrets for some",
  "garbage",
  "tampering",
];

/** `others`: leaf indices of the attacker's victims, at least one. */
export async function makeAttack(
  name: string,
  state: GroupState,
  honest: () => Promise<Uint8Array>,
  others: readonly number[],
  dice: Dice,
): Promise<Attack> {
  if (name === "bad secrets for some") {
    return { name, forAll: false, bytes: await forgeCommit(state, await partial(state, dice, others)) };
  }
  if (name === "garbage") {
    return { name, forAll: true, bytes: state.suite.random(dice.below(300)) };
  }
  if (name === "tampering") {
    // Not only among the first bytes: an altered path or tag is as bad as an altered header.
    const bytes = await honest();
    const at = Math.floor(dice.next() * bytes.length);
    bytes[at] = (bytes[at] as number) ^ (1 + dice.below(255));
    return { name, forAll: true, bytes };
  }
  const forgery = await (forgeries[name] as Maker)(state, dice, others);
  return { name, forAll: true, bytes: await forgeCommit(state, forgery) };
}
