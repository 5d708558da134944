/**
 * The secret tree: RFC 9420, section 9. A persistent tree: taking a key copies the path to one leaf and shares the rest. Nodes
 * are opened when a sender is first heard, and what an opened node was made from is gone with it.
 */
import type { CipherSuite } from "./cipherSuite.ts";
import type { GroupConfig } from "./groupConfig.ts";
import { invalid } from "./failure.ts";
import { left, right, root } from "./treeMath.ts";

export type RatchetType = "handshake" | "application";

export interface MessageKey {
  readonly generation: number;
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
}

export interface Ratchet {
  readonly secret: Uint8Array;
  /** Of the next key. */
  readonly generation: number;
  /** Keys passed over, oldest first; as many as the group's configuration allows. */
  readonly skipped: readonly MessageKey[];
}

export type SecretNode =
  | { readonly kind: "closed"; readonly secret: Uint8Array }
  | { readonly kind: "open"; readonly left: SecretNode; readonly right: SecretNode }
  | { readonly kind: "leaf"; readonly handshake: Ratchet; readonly application: Ratchet };

export interface SecretTree {
  readonly leafCount: number;
  readonly root: SecretNode;
}

export interface TakenKey extends MessageKey {
  readonly tree: SecretTree;
  /** Secrets of the tree given that are not in the new one; the message key itself is not among them. */
  readonly consumed: readonly Uint8Array[];
}

/** The last generation; no key is taken after it, as a uint32 could not name the next. */
const lastGeneration = 0xffffffff;

const empty = new Uint8Array(0);

export function createSecretTree(encryptionSecret: Uint8Array, leafCount: number): SecretTree {
  return { leafCount, root: { kind: "closed", secret: encryptionSecret } };
}

function openLeaf(suite: CipherSuite, secret: Uint8Array): SecretNode & { readonly kind: "leaf" } {
  const ratchet = (label: RatchetType): Ratchet => ({
    secret: suite.expandWithLabel(secret, label, empty, suite.hashLength),
    generation: 0,
    skipped: [],
  });
  return { kind: "leaf", handshake: ratchet("handshake"), application: ratchet("application") };
}

function openParent(suite: CipherSuite, secret: Uint8Array): SecretNode & { readonly kind: "open" } {
  const child = (side: string): SecretNode => ({
    kind: "closed",
    secret: suite.expandWithLabel(secret, "tree", new TextEncoder().encode(side), suite.hashLength),
  });
  return { kind: "open", left: child("left"), right: child("right") };
}

interface RatchetStep {
  readonly ratchet: Ratchet;
  readonly taken: MessageKey;
  readonly consumed: readonly Uint8Array[];
}

/** Section 9.1. */
function messageKey(suite: CipherSuite, secret: Uint8Array, generation: number): MessageKey {
  return {
    generation,
    key: suite.deriveTreeSecret(secret, "key", generation, suite.keyLength),
    nonce: suite.deriveTreeSecret(secret, "nonce", generation, suite.nonceLength),
  };
}

function takeSkipped(ratchet: Ratchet, generation: number): RatchetStep {
  const taken = ratchet.skipped.find((key) => key.generation === generation);
  if (taken === undefined) throw invalid("generation_consumed", "the message's key was used or passed over");
  return {
    ratchet: { ...ratchet, skipped: ratchet.skipped.filter((key) => key !== taken) },
    taken,
    consumed: [],
  };
}

/** Sections 9.2 and 15.3. */
function takeFrom(suite: CipherSuite, ratchet: Ratchet, generation: number, config: GroupConfig): RatchetStep {
  if (generation < ratchet.generation) return takeSkipped(ratchet, generation);
  if (generation - ratchet.generation > config.forwardLimit) {
    throw invalid("generation_too_far", "the message's generation is too far ahead");
  }
  if (generation >= lastGeneration) throw invalid("generation_exhausted", "the sender's ratchet is at its end");
  const consumed: Uint8Array[] = [ratchet.secret];
  const passed: MessageKey[] = [];
  let secret = ratchet.secret;
  for (let current = ratchet.generation; current < generation; current++) {
    if (generation - current <= config.skippedKeys) passed.push(messageKey(suite, secret, current));
    const next = suite.deriveTreeSecret(secret, "secret", current, suite.hashLength);
    if (secret !== ratchet.secret) secret.fill(0);
    secret = next;
  }
  const taken = messageKey(suite, secret, generation);
  const next = suite.deriveTreeSecret(secret, "secret", generation, suite.hashLength);
  if (secret !== ratchet.secret) secret.fill(0);
  const all = [...ratchet.skipped, ...passed];
  const kept = all.slice(Math.max(0, all.length - config.skippedKeys));
  for (const dropped of all.slice(0, all.length - kept.length)) consumed.push(dropped.key, dropped.nonce);
  return { ratchet: { secret: next, generation: generation + 1, skipped: kept }, taken, consumed };
}

/** Generation undefined: the next, for sending. The leaf index must be below the tree's leaf count. */
export function takeKey(
  suite: CipherSuite,
  tree: SecretTree,
  leafIndex: number,
  type: RatchetType,
  generation: number | undefined,
  config: GroupConfig,
): TakenKey {
  const consumed: Uint8Array[] = [];
  let taken: MessageKey | undefined;
  const descend = (given: SecretNode, index: number): SecretNode => {
    if ((index & 1) === 0) {
      if (given.kind === "closed") consumed.push(given.secret);
      const leaf = given.kind === "closed" ? openLeaf(suite, given.secret) : given;
      if (leaf.kind !== "leaf") throw new Error("the secret tree has a parent in a leaf's place");
      const step = takeFrom(suite, leaf[type], generation ?? leaf[type].generation, config);
      taken = step.taken;
      consumed.push(...step.consumed);
      return { ...leaf, [type]: step.ratchet };
    }
    if (given.kind === "closed") consumed.push(given.secret);
    const node = given.kind === "closed" ? openParent(suite, given.secret) : given;
    if (node.kind !== "open") throw new Error("the secret tree has a leaf in a parent's place");
    return 2 * leafIndex < index
      ? { ...node, left: descend(node.left, left(index)) }
      : { ...node, right: descend(node.right, right(index)) };
  };
  const next = descend(tree.root, root(tree.leafCount));
  if (taken === undefined) throw new Error("unreachable: the leaf was visited");
  return { ...taken, tree: { leafCount: tree.leafCount, root: next }, consumed };
}

/** Every secret in the tree. */
export function secretsOf(tree: SecretTree): Uint8Array[] {
  const found: Uint8Array[] = [];
  const visit = (node: SecretNode): void => {
    if (node.kind === "closed") {
      found.push(node.secret);
    } else if (node.kind === "open") {
      visit(node.left);
      visit(node.right);
    } else {
      for (const ratchet of [node.handshake, node.application]) {
        found.push(ratchet.secret);
        for (const key of ratchet.skipped) found.push(key.key, key.nonce);
      }
    }
  };
  visit(tree.root);
  return found;
}
