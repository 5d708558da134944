/** A client of this repository's engine. */
import * as mls from "@tacit/mls";
import type { Peer, PeerProposal } from "./peer.ts";

const decoder = new TextDecoder();

/** Believes basic credentials; a client is its name. */
export const nameAuthentication: mls.AuthenticationService = {
  authenticate: (credential) => credential.type === "basic",
  identity: (credential) => (credential.type === "basic" ? decoder.decode(credential.identity) : ""),
};

export interface OurPeerOptions {
  readonly suite: mls.CipherSuite;
  readonly name: string;
  readonly now: bigint;
  /** For handshake messages. Default true. */
  readonly privateMessage?: boolean;
  /** A key package made elsewhere. */
  readonly keys?: Pick<mls.GeneratedKeyPackage, "keyPackage" | "privateKeys" | "bytes">;
}

export async function ourPeer(options: OurPeerOptions): Promise<Peer> {
  const { suite, name, now, privateMessage = true } = options;
  const authentication = nameAuthentication;
  const keys =
    options.keys ??
    (await mls.generateKeyPackage({
      suite,
      credential: { type: "basic", identity: new TextEncoder().encode(name) },
      signatureKeyPair: await suite.generateSignatureKeyPair(),
      lifetime: { notBefore: now - 3600n, notAfter: now + 20n * 86_400n },
    }));
  const lifetime = { now };
  let state: mls.GroupState | undefined;
  let next: mls.GroupState | undefined;

  const group = (): mls.GroupState => {
    if (state === undefined) throw new Error(`${name} is in no group`);
    return state;
  };
  const proposalOf = (proposal: Exclude<PeerProposal, { type: "update" }>): mls.Proposal =>
    proposal.type === "add"
      ? { type: "add", keyPackage: mls.decodeKeyPackage(proposal.keyPackage) }
      : { type: "remove", removed: proposal.leafIndex };

  return {
    library: "@tacit/mls",
    name,
    keyPackage: keys.bytes,
    async create(groupId) {
      state = await mls.createGroup({ suite, groupId, ...keys, authentication });
    },
    async join(welcome) {
      state = (await mls.joinGroup({ suite, welcome, ...keys, authentication, lifetime })).state;
    },
    async send(plaintext) {
      const sent = await mls.createMessage(group(), plaintext);
      state = sent.state;
      return sent.message;
    },
    async propose(proposal) {
      const input = proposal.type === "update" ? ({ type: "update" } as const) : proposalOf(proposal);
      const sent = await mls.createProposal(group(), input as mls.ProposalInput, {
        authentication,
        privateMessage,
        lifetime,
      });
      state = sent.state;
      return sent.message;
    },
    async commit(proposals) {
      const created = await mls.createCommit(group(), {
        authentication,
        lifetime,
        privateMessage,
        proposals: proposals.flatMap((proposal) => (proposal.type === "update" ? [] : [proposalOf(proposal)])),
        ratchetTreeInWelcome: true,
      });
      ({ state, next } = created);
      return { commit: created.commit, welcome: created.welcomes[0]?.bytes };
    },
    async merge() {
      state = next;
      next = undefined;
    },
    async receive(message) {
      const received = await mls.processMessage(group(), message, { authentication });
      state = received.state;
      next = undefined;
      if (received.kind === "application") return { kind: "application", plaintext: received.plaintext };
      return { kind: "handshake", removed: received.kind === "commit" && received.removed };
    },
    leafIndex: () => group().epoch.ownLeafIndex,
    exportSecret: async (label, context, length) => mls.exportSecret(group(), label, context, length),
  };
}
