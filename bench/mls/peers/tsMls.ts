/** A client of ts-mls 1.6.4 with its own @noble provider. */
import { createECDH } from "node:crypto";
import * as ts from "ts-mls";
import type { Peer, PeerProposal } from "./peer.ts";

export const suiteNames: Readonly<Record<number, ts.CiphersuiteName>> = {
  0x0001: "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519",
  0x0002: "MLS_128_DHKEMP256_AES128GCM_SHA256_P256",
  0x0003: "MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519",
};

/** Its default accepts every credential; this one does so for the type that the tests use. */
export const nameService: ts.AuthenticationService = {
  validateCredential: async (credential) => credential.credentialType === "basic",
};

export async function tsMlsSuite(suiteId: number): Promise<ts.CiphersuiteImpl> {
  const name = suiteNames[suiteId];
  if (name === undefined) throw new Error(`ts-mls is not an oracle for suite ${suiteId}`);
  return ts.getCiphersuiteImpl(ts.getCiphersuiteFromName(name), ts.nobleCryptoProvider);
}

export function tsMlsConfig(authService: ts.AuthenticationService): ts.ClientConfig {
  return {
    keyRetentionConfig: ts.defaultKeyRetentionConfig,
    lifetimeConfig: ts.defaultLifetimeConfig,
    keyPackageEqualityConfig: ts.defaultKeyPackageEqualityConfig,
    paddingConfig: ts.defaultPaddingConfig,
    authService,
  };
}

export interface TsMlsKeys {
  readonly publicPackage: ts.KeyPackage;
  readonly privatePackage: ts.PrivateKeyPackage;
}

export interface TsMlsSignatureKeys {
  readonly signKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

export async function tsMlsKeys(
  suite: ts.CiphersuiteImpl,
  identity: Uint8Array,
  now: bigint,
  keys?: TsMlsSignatureKeys,
): Promise<TsMlsKeys> {
  const capabilities: ts.Capabilities = {
    versions: ["mls10"],
    ciphersuites: [suite.name],
    extensions: [],
    proposals: [],
    credentials: ["basic"],
  };
  const lifetime = { notBefore: now - 3600n, notAfter: now + 20n * 86_400n };
  return ts.generateKeyPackageWithKey(
    { credentialType: "basic", identity },
    capabilities,
    lifetime,
    [],
    keys ?? (await signatureKeyPair(suite)),
    suite,
  );
}

/** ts-mls makes P-256 keys as compressed points; RFC 9420, section 5.1.2, wants uncompressed ones, and it reads those. */
async function signatureKeyPair(suite: ts.CiphersuiteImpl): Promise<TsMlsSignatureKeys> {
  if (suite.name !== suiteNames[0x0002]) return suite.signature.keygen();
  const keys = createECDH("prime256v1");
  keys.generateKeys();
  // getPrivateKey drops leading zeros.
  const signKey = new Uint8Array(32);
  const scalar = keys.getPrivateKey();
  signKey.set(scalar, 32 - scalar.length);
  return { signKey, publicKey: Uint8Array.from(keys.getPublicKey()) };
}

export function tsMlsEncode(message: ts.MLSMessage): Uint8Array {
  return ts.encodeMlsMessage(message);
}

export function tsMlsDecode(bytes: Uint8Array): ts.MLSMessage {
  const decoded = ts.decodeMlsMessage(bytes, 0);
  if (decoded === undefined) throw new Error("ts-mls cannot decode the message");
  return decoded[0];
}

export async function tsMlsPeer(suiteId: number, name: string, now: bigint): Promise<Peer> {
  const cipherSuite = await tsMlsSuite(suiteId);
  const config = tsMlsConfig(nameService);
  const { publicPackage, privatePackage } = await tsMlsKeys(cipherSuite, new TextEncoder().encode(name), now);
  let state: ts.ClientState | undefined;
  let next: ts.ClientState | undefined;

  const group = (): ts.ClientState => {
    if (state === undefined) throw new Error(`${name} is in no group`);
    return state;
  };
  const proposalOf = (proposal: PeerProposal): ts.Proposal => {
    if (proposal.type === "remove") return { proposalType: "remove", remove: { removed: proposal.leafIndex } };
    if (proposal.type === "update") throw new Error("ts-mls has no way to make the leaf of an Update proposal");
    const message = tsMlsDecode(proposal.keyPackage);
    if (message.wireformat !== "mls_key_package") throw new Error("expected a key package");
    return { proposalType: "add", add: { keyPackage: message.keyPackage } };
  };

  return {
    library: "ts-mls",
    name,
    keyPackage: tsMlsEncode({ version: "mls10", wireformat: "mls_key_package", keyPackage: publicPackage }),
    async create(groupId) {
      state = await ts.createGroup(groupId, publicPackage, privatePackage, [], cipherSuite, config);
    },
    async join(bytes) {
      const message = tsMlsDecode(bytes);
      if (message.wireformat !== "mls_welcome") throw new Error("expected a Welcome");
      state = await ts.joinGroup(
        message.welcome,
        publicPackage,
        privatePackage,
        ts.emptyPskIndex,
        cipherSuite,
        undefined,
        undefined,
        config,
      );
    },
    async send(plaintext) {
      const sent = await ts.createApplicationMessage(group(), plaintext, cipherSuite);
      state = sent.newState;
      return tsMlsEncode({ version: "mls10", wireformat: "mls_private_message", privateMessage: sent.privateMessage });
    },
    async propose(proposal) {
      const sent = await ts.createProposal(group(), false, proposalOf(proposal), cipherSuite);
      state = sent.newState;
      return tsMlsEncode(sent.message);
    },
    async commit(proposals) {
      const created = await ts.createCommit(
        { state: group(), cipherSuite },
        {
          extraProposals: proposals.filter(({ type }) => type !== "update").map(proposalOf),
          ratchetTreeExtension: true,
        },
      );
      next = created.newState;
      const { welcome } = created;
      return {
        commit: tsMlsEncode(created.commit),
        welcome:
          welcome === undefined ? undefined : tsMlsEncode({ version: "mls10", wireformat: "mls_welcome", welcome }),
      };
    },
    async merge() {
      state = next;
      next = undefined;
    },
    async receive(bytes) {
      const message = tsMlsDecode(bytes);
      next = undefined;
      if (message.wireformat === "mls_public_message") {
        const received = await ts.processPublicMessage(group(), message.publicMessage, ts.emptyPskIndex, cipherSuite);
        state = received.newState;
        return { kind: "handshake", removed: state.groupActiveState.kind === "removedFromGroup" };
      }
      if (message.wireformat !== "mls_private_message") throw new Error("expected a message of the group");
      const received = await ts.processPrivateMessage(group(), message.privateMessage, ts.emptyPskIndex, cipherSuite);
      state = received.newState;
      return received.kind === "applicationMessage"
        ? { kind: "application", plaintext: received.message }
        : { kind: "handshake", removed: state.groupActiveState.kind === "removedFromGroup" };
    },
    leafIndex: () => group().privatePath.leafIndex,
    exportSecret: async (label, context, length) =>
      ts.mlsExporter(group().keySchedule.exporterSecret, label, context, length, cipherSuite),
  };
}
