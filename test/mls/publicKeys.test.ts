/** Keys that nobody could encrypt to are refused where they arrive: in leaves, key packages, paths and trees. */
import { createCommit, processMessage } from "@tacit/mls";
import { isValidP256Key, isValidX25519Key, isValidXWingKey } from "../../mls/src/publicKeyCheck.ts";
import { signKeyPackage } from "../../mls/src/keyPackage.ts";
import { signLeafNode } from "../../mls/src/leafNode.ts";
import { draftOf } from "../../mls/src/ratchetTree.ts";
import { rootHash } from "../../mls/src/treeHash.ts";
import { validateTree } from "../../mls/src/treeValidation.ts";
import { forgeCommit } from "./forge.ts";
import { add, authentication, commit, newClient, newWorld, stateOf, suiteIds, testSuite } from "./world.ts";

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));

/** Malformed keys by suite, each of the right length. */
const malformed = (id: number, good: Uint8Array): Uint8Array[] => {
  const changed = (at: number, ...values: number[]): Uint8Array => {
    const copy = good.slice();
    copy.set(values, at);
    return copy;
  };
  if (id === 2)
    return [changed(64, (good[64] as number) ^ 1), changed(0, 3), changed(1, ...Array.from({ length: 64 }, () => 255))];
  const order8 = bytes("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f11d7");
  if (id <= 3) return [new Uint8Array(32), order8];
  return [changed(0, 255, 255), changed(1151, 255), changed(1184, ...order8)];
};

describe.each(suiteIds)("suite %i", (id) => {
  const suite = testSuite(id);

  test("the check agrees with what can be encrypted to", async () => {
    const { publicKey } = await suite.generateKeyPair();
    expect(suite.isValidEncryptionKey(publicKey)).toBe(true);
    for (const bad of [...malformed(id, publicKey), publicKey.subarray(1), new Uint8Array(0)]) {
      expect(suite.isValidEncryptionKey(bad)).toBe(false);
      const encrypting = async () => suite.encryptWithLabel(bad, "label", bytes(""), bytes("00"));
      await expect(encrypting()).rejects.toMatchObject({ name: "MlsError" });
    }
  });

  test("a path, a leaf or a key package with such a key is refused", async () => {
    const world = await newWorld(suite);
    await add(world, "alice", ["bob", "carol"]);
    await commit(world, "alice");
    const [alice, bob] = [stateOf(world, "alice"), stateOf(world, "bob")];
    const { publicKey } = await suite.generateKeyPair();
    const refused = { code: "encryption_key_invalid", everyone: true };
    for (const bad of malformed(id, publicKey)) {
      const inPath = await forgeCommit(alice, {
        updatePath: (path) => ({ ...path, nodes: path.nodes.map((node) => ({ ...node, encryptionKey: bad })) }),
      });
      await expect(processMessage(bob, inPath, { authentication })).rejects.toMatchObject(refused);
      const inLeaf = await forgeCommit(alice, { leaf: (leaf) => ({ ...leaf, encryptionKey: bad }) });
      await expect(processMessage(bob, inLeaf, { authentication })).rejects.toMatchObject(refused);

      const dave = await newClient(suite, "dave");
      const { privateKey } = dave.signatureKeyPair;
      const asInit = await signKeyPackage(suite, { ...dave.keyPackage, initKey: bad }, privateKey);
      const leafNode = await signLeafNode(
        suite,
        { ...dave.keyPackage.leafNode, encryptionKey: bad },
        undefined,
        privateKey,
      );
      const asLeaf = await signKeyPackage(suite, { ...dave.keyPackage, leafNode }, privateKey);
      for (const keyPackage of [asInit, asLeaf]) {
        const adding = createCommit(alice, { authentication, proposals: [{ type: "add", keyPackage }] });
        await expect(adding).rejects.toMatchObject(refused);
      }

      const draft = draftOf(bob.epoch.tree);
      const index = draft.parents.findIndex((parent) => parent !== undefined);
      const parent = draft.parents[index];
      if (parent === undefined) throw new Error("the tree has no parent node");
      draft.parents[index] = { ...parent, encryptionKey: bad };
      draft.hashes.fill(undefined);
      const context = { ...bob.epoch.groupContext, treeHash: rootHash(suite, draft) };
      await expect(validateTree(suite, draft, context, { authentication })).rejects.toMatchObject(refused);
    }
  });
});

test("keys of another kind are refused", () => {
  for (const check of [isValidP256Key, isValidX25519Key, isValidXWingKey]) {
    for (const length of [0, 31, 33, 64, 66, 1184, 1217]) expect(check(new Uint8Array(length).fill(1))).toBe(false);
  }
});
