/**
 * OpenMLS through its WASM binding, `openmls-wasm` 0.1.0 (suite 0x0003). The binding can create and join groups, add one member,
 * send and process; it has no way to give out a key package or a ratchet tree. Both lie as JSON in the module's memory (OpenMLS's
 * in-memory key store), and that is where they are read from. A Welcome that carries the tree needs none of it to join.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { KeyPackage, KeyPackagePrivate, LeafNode } from "@tacit/mls";
import * as binding from "openmls-wasm/openmls_wasm_bg.js";
import { encodeMlsMessage } from "../../../mls/src/mlsMessage.ts";
import { encodeTree, type ParentNode } from "../../../mls/src/ratchetTree.ts";

export const openMlsSuite = 0x0003;

let exports: WebAssembly.Exports | undefined;
let memory: WebAssembly.Memory | undefined;

export async function openMls(): Promise<typeof binding> {
  if (exports === undefined) {
    const path = createRequire(import.meta.url).resolve("openmls-wasm/openmls_wasm_bg.wasm");
    const { instance } = await WebAssembly.instantiate(readFileSync(path), {
      "./openmls_wasm_bg.js": binding as unknown as WebAssembly.ModuleImports,
    });
    exports = instance.exports;
    memory = exports["memory"] as WebAssembly.Memory;
    binding.__wbg_set_wasm(exports);
    (exports["__wbindgen_start"] as () => void)();
  }
  return binding;
}

interface JsonBytes {
  readonly vec: readonly number[];
}
interface JsonLeaf {
  readonly payload: {
    readonly encryption_key: { readonly key: JsonBytes };
    readonly signature_key: { readonly value: JsonBytes };
    readonly credential: { readonly serialized_credential_content: JsonBytes };
    readonly capabilities: { readonly ciphersuites: readonly number[] };
    readonly leaf_node_source:
      | { readonly KeyPackage: { readonly not_before: number; readonly not_after: number } }
      | { readonly Commit: JsonBytes }
      | "Update";
  };
  readonly signature: { readonly value: JsonBytes };
}
interface JsonKeyPackageBundle {
  readonly key_package: {
    readonly payload: { readonly init_key: { readonly key: JsonBytes }; readonly leaf_node: JsonLeaf };
    readonly signature: { readonly value: JsonBytes };
  };
  readonly private_init_key: JsonBytes;
  readonly private_encryption_key: { readonly key: JsonBytes };
}
interface JsonSignatureKeys {
  readonly private: readonly number[];
  readonly public: readonly number[];
}
interface JsonParent {
  readonly encryption_key: { readonly key: JsonBytes };
  readonly parent_hash: JsonBytes;
  readonly unmerged_leaves: { readonly list: readonly number[] };
}
interface JsonTree {
  readonly tree: {
    readonly leaf_nodes: readonly { readonly node: JsonLeaf | null }[];
    readonly parent_nodes: readonly { readonly node: JsonParent | null }[];
  };
}

const bytesOf = ({ vec }: JsonBytes): Uint8Array => Uint8Array.from(vec);

/** Every JSON value in the module's memory that begins with `start`; remains of freed memory do not parse. */
function findJson<T>(start: string): T[] {
  const bytes = Buffer.from(memory?.buffer ?? new ArrayBuffer(0));
  const found: T[] = [];
  for (let at = bytes.indexOf(start); at !== -1; at = bytes.indexOf(start, at + 1)) {
    let depth = 0;
    for (let end = at; end < bytes.length; end++) {
      const byte = bytes[end];
      if (byte === 0x7b) depth++;
      if (byte !== 0x7d || --depth > 0) continue;
      try {
        found.push(JSON.parse(bytes.toString("utf8", at, end + 1)) as T);
      } catch {
        // A remainder.
      }
      break;
    }
  }
  return found;
}

function leafNodeOf({ payload, signature }: JsonLeaf): LeafNode {
  const common = {
    encryptionKey: bytesOf(payload.encryption_key.key),
    signatureKey: bytesOf(payload.signature_key.value),
    credential: { type: "basic", identity: bytesOf(payload.credential.serialized_credential_content) },
    capabilities: {
      versions: [1],
      cipherSuites: payload.capabilities.ciphersuites,
      extensions: [],
      proposals: [],
      credentials: [1],
    },
    extensions: [],
    signature: bytesOf(signature.value),
  } as const;
  const source = payload.leaf_node_source;
  if (source === "Update") return { ...common, source: "update" };
  if ("Commit" in source) return { ...common, source: "commit", parentHash: bytesOf(source.Commit) };
  const { not_before: notBefore, not_after: notAfter } = source.KeyPackage;
  return { ...common, source: "keyPackage", lifetime: { notBefore: BigInt(notBefore), notAfter: BigInt(notAfter) } };
}

function parentNodeOf(parent: JsonParent): ParentNode {
  return {
    encryptionKey: bytesOf(parent.encryption_key.key),
    parentHash: bytesOf(parent.parent_hash),
    unmergedLeaves: parent.unmerged_leaves.list,
  };
}

/** A key package that OpenMLS made, with what stands behind it: for OpenMLS itself, or for another engine to take over. */
export interface OpenMlsIdentity {
  readonly name: string;
  readonly provider: binding.Provider;
  readonly identity: binding.Identity;
  /** As OpenMLS takes it to add this client. */
  readonly handle: binding.KeyPackage;
  readonly keyPackage: KeyPackage;
  /** An MLSMessage. */
  readonly bytes: Uint8Array;
  readonly privateKeys: KeyPackagePrivate;
}

export async function openMlsIdentity(name: string): Promise<OpenMlsIdentity> {
  const { Provider, Identity } = await openMls();
  const provider = new Provider();
  const identity = new Identity(provider, name);
  const handle = identity.key_package(provider);
  const bundle = findJson<JsonKeyPackageBundle>('{"key_package":{"payload"').find(
    ({ key_package: { payload } }) =>
      Buffer.from(bytesOf(payload.leaf_node.payload.credential.serialized_credential_content)).toString() === name,
  );
  if (bundle === undefined) throw new Error("the key package is not in the memory of OpenMLS");
  const { payload, signature } = bundle.key_package;
  const leafNode = leafNodeOf(payload.leaf_node);
  const signer = findJson<JsonSignatureKeys>('{"private":[').find((keys) =>
    Buffer.from(keys.public).equals(leafNode.signatureKey),
  );
  if (signer === undefined) throw new Error("the signature key is not in the memory of OpenMLS");
  const keyPackage: KeyPackage = {
    cipherSuite: openMlsSuite,
    initKey: bytesOf(payload.init_key.key),
    leafNode,
    extensions: [],
    signature: bytesOf(signature.value),
  };
  return {
    name,
    provider,
    identity,
    handle,
    keyPackage,
    bytes: encodeMlsMessage({ wireFormat: "keyPackage", keyPackage }),
    privateKeys: {
      initPrivateKey: bytesOf(bundle.private_init_key),
      encryptionPrivateKey: bytesOf(bundle.private_encryption_key.key),
      signaturePrivateKey: Uint8Array.from(signer.private).slice(0, 32),
    },
  };
}

export interface OpenMlsAdded {
  /** MLSMessages, in the order in which members process them. */
  readonly handshake: readonly Uint8Array[];
  readonly welcome: Uint8Array;
  /** Takes the commit. */
  readonly merge: () => void;
}

export interface OpenMlsGroup {
  readonly add: (newcomer: OpenMlsIdentity) => OpenMlsAdded;
  readonly send: (plaintext: Uint8Array) => Uint8Array;
  /** Empty for a handshake message. */
  readonly receive: (message: Uint8Array) => Uint8Array;
  /** Throws once this member is removed. */
  readonly exportSecret: (label: string, context: Uint8Array, length: number) => Uint8Array;
  /** For other clients of OpenMLS. */
  readonly tree: () => binding.RatchetTree;
  /** All trees in the module's memory, encoded (RFC 9420, section 12.4.3.3); a joiner recognises its own by the tree hash. */
  readonly trees: () => readonly Uint8Array[];
}

function openMlsGroup({ provider, identity }: OpenMlsIdentity, group: binding.Group): OpenMlsGroup {
  return {
    add: (newcomer) => {
      const added = group.propose_and_commit_add(provider, identity, newcomer.handle);
      return {
        handshake: [added.proposal, added.commit],
        welcome: added.welcome,
        merge: () => group.merge_pending_commit(provider),
      };
    },
    send: (plaintext) => group.create_message(provider, identity, plaintext),
    receive: (message) => group.process_message(provider, message),
    exportSecret: (label, context, length) => group.export_key(provider, label, context, length),
    tree: () => group.export_ratchet_tree(),
    trees: () =>
      findJson<JsonTree>('{"tree":{"leaf_nodes":').map(({ tree }) =>
        encodeTree({
          leaves: tree.leaf_nodes.map(({ node }) => (node === null ? undefined : leafNodeOf(node))),
          parents: tree.parent_nodes.map(({ node }) => (node === null ? undefined : parentNodeOf(node))),
          hashes: [],
        }),
      ),
  };
}

export async function openMlsCreate(founder: OpenMlsIdentity, groupId: string): Promise<OpenMlsGroup> {
  const { Group } = await openMls();
  return openMlsGroup(founder, Group.create_new(founder.provider, founder.identity, groupId));
}

/** `tree` counts only where the Welcome does not carry one, but the binding wants some tree in any case. */
export async function openMlsJoin(
  joiner: OpenMlsIdentity,
  welcome: Uint8Array,
  tree?: binding.RatchetTree,
): Promise<OpenMlsGroup> {
  const { Group } = await openMls();
  const any = (): binding.RatchetTree =>
    Group.create_new(joiner.provider, joiner.identity, `unused by ${joiner.name}`).export_ratchet_tree();
  return openMlsGroup(joiner, Group.join(joiner.provider, welcome, tree ?? any()));
}
