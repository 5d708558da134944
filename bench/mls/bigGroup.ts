/**
 * A group of any size in which every member has committed once ("warm": no blank nodes, no unmerged leaves), without a state for
 * each member: all members share what an epoch holds, so one state with another member's leaf and keys is that member's state.
 */
import * as mls from "@tacit/mls";
import type { Certifier } from "./certificate.ts";

export interface BigGroup {
  readonly suite: mls.CipherSuite;
  readonly size: number;
  readonly state: (leafIndex: number) => mls.GroupState;
}

export async function newClient(
  suite: mls.CipherSuite,
  certifier: Certifier,
  name: string,
): Promise<mls.GeneratedKeyPackage & { readonly signatureKeyPair: mls.KeyPair }> {
  const signatureKeyPair = await suite.generateSignatureKeyPair();
  const generated = await mls.generateKeyPackage({
    suite,
    credential: { type: "basic", identity: await certifier.certify(name, signatureKeyPair.publicKey) },
    signatureKeyPair,
    lifetime: certifier.lifetime,
  });
  return { ...generated, signatureKeyPair };
}

const directPath = (leaf: number, width: number): number[] => {
  const path: number[] = [];
  for (let level = 0, node = 2 * leaf; 1 << level < width; level++) {
    const up = (node | (1 << level)) & ~(1 << (level + 1));
    path.push(up);
    node = up;
  }
  return path;
};

function bitReversed(size: number): number[] {
  const bits = Math.ceil(Math.log2(size));
  const reverse = (value: number): number => {
    let result = 0;
    for (let bit = 0; bit < bits; bit++) result |= ((value >> bit) & 1) << (bits - 1 - bit);
    return result;
  };
  return Array.from({ length: 2 ** bits }, (_, index) => reverse(index)).filter((leaf) => leaf < size);
}

export async function bigGroup(suite: mls.CipherSuite, certifier: Certifier, size: number): Promise<BigGroup> {
  // Nobody is doubted while the group is set up.
  const authentication: mls.AuthenticationService = { ...certifier.authentication, authenticate: () => true };
  const clients: Awaited<ReturnType<typeof newClient>>[] = [];
  for (let i = 0; i < size; i++) clients.push(await newClient(suite, certifier, `member ${i}`));
  const [founder, ...rest] = clients as [(typeof clients)[0], ...typeof clients];
  let shared = await mls.createGroup({
    suite,
    groupId: suite.random(32),
    keyPackage: founder.keyPackage,
    privateKeys: founder.privateKeys,
    authentication,
  });
  const proposals = rest.map(({ keyPackage }) => ({ type: "add", keyPackage }) as const);
  shared = (await mls.createCommit(shared, { authentication, proposals, forcePath: false })).next;

  const keys = new Map<number, Uint8Array>(
    clients.map(({ privateKeys }, i) => [2 * i, privateKeys.encryptionPrivateKey]),
  );
  const state = (leafIndex: number): mls.GroupState => {
    const path = [2 * leafIndex, ...directPath(leafIndex, shared.epoch.tree.leaves.length)];
    return {
      ...shared,
      epoch: {
        ...shared.epoch,
        ownLeafIndex: leafIndex,
        signaturePrivateKey: (clients[leafIndex] as (typeof clients)[0]).privateKeys.signaturePrivateKey,
        pathKeys: new Map(path.flatMap((node) => (keys.has(node) ? [[node, keys.get(node) as Uint8Array]] : []))),
      },
    };
  };
  // Far apart first: in order, each of the first half would encrypt to every leaf of the other half.
  for (const leaf of bitReversed(size)) {
    shared = (await mls.createCommit(state(leaf), { authentication })).next;
    for (const [node, key] of shared.epoch.pathKeys) keys.set(node, key);
  }
  return { suite, size, state };
}
