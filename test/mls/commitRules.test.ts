/** What makes a commit invalid for every member: RFC 9420, sections 7.3, 12.1, 12.2 and 12.4. Named by section. */
import {
  createCommit,
  createProposal,
  decodeKeyPackage,
  externalSendersExtension,
  MlsError,
  processMessage,
  requiredCapabilitiesExtension,
  type GroupState,
  type KeyPackage,
  type Proposal,
} from "@tacit/mls";
import { signKeyPackage } from "../../mls/src/keyPackage.ts";
import { signLeafNode, type LeafNode, type UnsignedLeafNode } from "../../mls/src/leafNode.ts";
import { forgeCommit, send, type ForgedList, type Forgery } from "./forge.ts";
import {
  add,
  authentication,
  commit,
  join,
  leafOf,
  lifetime,
  newClient,
  newWorld,
  stateOf,
  testSuite,
  text,
  type World,
} from "./world.ts";

const suite = testSuite();

let world: World;
let alice: GroupState;
let bob: GroupState;

beforeEach(async () => {
  world = await newWorld(suite);
  await add(world, "alice", ["bob", "carol", "dave", "erin"]);
  await commit(world, "carol");
  alice = stateOf(world, "alice");
  bob = stateOf(world, "bob");
});

/** Alice's forgery is refused by Bob, as by everyone, and Bob's state is as good as before. */
async function refuses(forgery: Forgery, code: string, everyone = true, receiver = bob): Promise<void> {
  const bytes = await forgeCommit(alice, forgery);
  await refusesMessage(bytes, code, everyone, receiver);
}

async function refusesMessage(bytes: Uint8Array, code: string, everyone = true, receiver = bob): Promise<void> {
  const error = await processMessage(receiver, bytes, { authentication }).then(
    () => new Error("accepted"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(MlsError);
  expect(error).toMatchObject({ code, everyone });
}

async function accepts(forgery: Forgery): Promise<void> {
  const outcome = await processMessage(bob, await forgeCommit(alice, forgery), { authentication });
  expect(outcome.kind).toBe("commit");
}

const byValue = (...proposals: Proposal[]): ForgedList[] =>
  proposals.map((proposal) => ({ proposal, sender: { type: "member", leafIndex: alice.epoch.ownLeafIndex } }));

/** A valid key package, changed and signed again. */
async function packageWith(
  name: string,
  changes: {
    readonly leaf?: (leaf: UnsignedLeafNode) => UnsignedLeafNode;
    readonly keyPackage?: (keyPackage: KeyPackage) => KeyPackage;
    readonly after?: (keyPackage: KeyPackage) => KeyPackage;
  } = {},
): Promise<KeyPackage> {
  const client = await newClient(suite, name);
  const { privateKey } = client.signatureKeyPair;
  const { signature: _leafSignature, ...leaf } = client.keyPackage.leafNode;
  const unsigned = changes.leaf?.(leaf) ?? leaf;
  const leafNode = await signLeafNode(suite, unsigned, { groupId: text("group"), leafIndex: 5 }, privateKey);
  const whole = { ...client.keyPackage, leafNode };
  const { signature: _signature, ...rest } = changes.keyPackage?.(whole) ?? whole;
  const signed = await signKeyPackage(suite, rest, privateKey);
  return changes.after?.(signed) ?? signed;
}

const addOf = (keyPackage: KeyPackage): Proposal => ({ type: "add", keyPackage });

test("the forger's commits are accepted where they keep the rules", async () => {
  await accepts({});
  await accepts({ wireFormat: "publicMessage" });
  await accepts({ list: byValue(addOf(await packageWith("frank"))), path: false });
  await accepts({ list: byValue({ type: "remove", removed: leafOf(world, "erin") }) });
  await accepts({ list: byValue({ type: "groupContextExtensions", extensions: [] }) });
});

describe("section 10.1: key packages", () => {
  const refusesPackage = async (keyPackage: KeyPackage, code: string): Promise<void> =>
    refuses({ list: byValue(addOf(keyPackage)) }, code);

  test("of another suite", async () => {
    await refusesPackage(
      await packageWith("frank", { keyPackage: (whole) => ({ ...whole, cipherSuite: 3 }) }),
      "key_package_invalid",
    );
  });

  test("with the leaf's encryption key as init key", async () => {
    await refusesPackage(
      await packageWith("frank", {
        keyPackage: (whole) => ({ ...whole, initKey: whole.leafNode.encryptionKey }),
      }),
      "key_package_invalid",
    );
  });

  test("with a bad signature", async () => {
    const other = await packageWith("frank");
    await refusesPackage(
      await packageWith("frank", { after: (whole) => ({ ...whole, signature: other.signature }) }),
      "key_package_signature_invalid",
    );
  });
});

describe("section 7.3: leaf nodes in key packages", () => {
  const refusesLeaf = async (leaf: (leaf: UnsignedLeafNode) => UnsignedLeafNode, code: string): Promise<void> =>
    refuses({ list: byValue(addOf(await packageWith("frank", { leaf }))) }, code);

  test("with another source", async () => {
    await refusesLeaf(({ ...leaf }) => ({ ...leaf, source: "update" }), "leaf_source_invalid");
  });

  test("with a bad signature", async () => {
    const keyPackage = await packageWith("frank", {
      keyPackage: (whole) => ({ ...whole, leafNode: { ...whole.leafNode, signature: new Uint8Array(64) } }),
    });
    await refuses({ list: byValue(addOf(keyPackage)) }, "leaf_signature_invalid");
  });

  test("with a credential that the application does not accept", async () => {
    await refuses({ list: byValue(addOf(await packageWith("mallory"))) }, "credential_rejected");
  });

  test("without the protocol version or the cipher suite", async () => {
    const lacking = (change: object) => (leaf: UnsignedLeafNode) => ({
      ...leaf,
      capabilities: { ...leaf.capabilities, ...change },
    });
    await refusesLeaf(lacking({ versions: [2] }), "capabilities_insufficient");
    await refusesLeaf(lacking({ cipherSuites: [2, 3] }), "capabilities_insufficient");
    await refusesLeaf(lacking({ credentials: [2] }), "capabilities_insufficient");
  });

  test("with an extension that it does not list", async () => {
    const extensions = [{ extensionType: 0xf0f0, data: text("x") }];
    await refusesLeaf((leaf) => ({ ...leaf, extensions }), "capabilities_insufficient");
    await accepts({
      list: byValue(
        addOf(
          await packageWith("frank", {
            leaf: (leaf) => ({
              ...leaf,
              extensions,
              capabilities: { ...leaf.capabilities, extensions: [0xf0f0] },
            }),
          }),
        ),
      ),
    });
  });

  test("with a credential type that a member does not support, or without that of a member", async () => {
    const x509 = { type: "x509", certificates: [text("certificate")] } as const;
    const trusting = {
      ...authentication,
      authenticate: () => true,
      identity: (_credential: unknown, key: Uint8Array) => Buffer.from(key).toString("hex"),
      isSuccessor: () => true,
    };
    const bytes = await forgeCommit(alice, {
      list: byValue(
        addOf(
          await packageWith("frank", {
            leaf: (leaf) => ({
              ...leaf,
              credential: x509,
              capabilities: { ...leaf.capabilities, credentials: [1, 2] },
            }),
          }),
        ),
      ),
      path: false,
    });
    await expect(processMessage(bob, bytes, { authentication: trusting })).rejects.toMatchObject({
      code: "credential_unsupported",
      everyone: true,
    });
    const lacking = await newWorld(suite, "alice", {
      authentication: trusting,
      client: {
        credential: x509,
        capabilities: { credentials: [1, 2] },
      },
    });
    const state = stateOf(lacking, "alice");
    const frank = await newClient(suite, "frank");
    await expect(
      createCommit(state, { authentication: trusting, proposals: [addOf(frank.keyPackage)], forcePath: false }),
    ).rejects.toMatchObject({ code: "credential_unsupported" });
  });

  test("with a signature key or an encryption key that is in the group", async () => {
    const client = await newClient(suite, "frank", {
      signatureKeyPair: {
        publicKey: (bob.epoch.tree.leaves[bob.epoch.ownLeafIndex] as LeafNode).signatureKey,
        privateKey: bob.epoch.signaturePrivateKey,
      },
    });
    await refuses({ list: byValue(addOf(client.keyPackage)) }, "key_not_unique");
    const { encryptionKey } = stateOf(world, "carol").epoch.tree.leaves[leafOf(world, "carol")] as LeafNode;
    await refuses(
      { list: byValue(addOf(await packageWith("frank", { leaf: (leaf) => ({ ...leaf, encryptionKey }) }))) },
      "key_not_unique",
    );
    const parent = bob.epoch.tree.parents.find((each) => each !== undefined)?.encryptionKey as Uint8Array;
    await refuses(
      {
        list: byValue(addOf(await packageWith("frank", { leaf: (leaf) => ({ ...leaf, encryptionKey: parent }) }))),
        path: false,
      },
      "key_not_unique",
    );
  });

  test("of many newcomers at once, with a key of one of them", async () => {
    const packages = await Promise.all(Array.from({ length: 10 }, (_, index) => packageWith(`new ${index}`)));
    const twin = await packageWith("twin", {
      leaf: (leaf) => ({ ...leaf, encryptionKey: (packages[3] as KeyPackage).leafNode.encryptionKey }),
    });
    await refuses({ list: byValue(...[...packages, twin].map(addOf)) }, "key_not_unique");
    const again = await newClient(suite, "new 4");
    await refuses({ list: byValue(...[...packages, again.keyPackage].map(addOf)) }, "duplicate_client");
    const reused = await newClient(suite, "another");
    const third = await newClient(suite, "a third", { signatureKeyPair: reused.signatureKeyPair });
    await refuses(
      { list: byValue(...[...packages, reused.keyPackage, third.keyPackage].map(addOf)) },
      "key_not_unique",
    );
    await accepts({ list: byValue(...packages.map(addOf)) });
  });
});

describe("section 7.3: the committer's new leaf", () => {
  test("with a source other than commit", async () => {
    await refuses({ leaf: ({ ...leaf }) => ({ ...leaf, source: "update" }) }, "leaf_source_invalid");
  });

  test("with a bad signature", async () => {
    await refuses({ signedLeaf: (leaf) => ({ ...leaf, signature: new Uint8Array(64) }) }, "leaf_signature_invalid");
  });

  test("signed for another position", async () => {
    await refuses({ leafIndex: leafOf(world, "dave") }, "leaf_signature_invalid");
  });

  test("with the old encryption key", async () => {
    const { encryptionKey } = alice.epoch.tree.leaves[alice.epoch.ownLeafIndex] as LeafNode;
    await refuses({ leaf: (leaf) => ({ ...leaf, encryptionKey }) }, "key_not_fresh");
  });

  test("with a credential of somebody else", async () => {
    await refuses(
      { leaf: (leaf) => ({ ...leaf, credential: { type: "basic", identity: text("zoe") } }) },
      "successor_rejected",
    );
    await refuses(
      { leaf: (leaf) => ({ ...leaf, credential: { type: "basic", identity: text("mallory") } }) },
      "successor_rejected",
    );
  });

  test("that the application does not accept any more", async () => {
    const bytes = await forgeCommit(alice);
    const strict = { ...authentication, authenticate: () => false };
    await expect(processMessage(bob, bytes, { authentication: strict })).rejects.toMatchObject({
      code: "credential_rejected",
      everyone: true,
    });
  });

  test("without support for what the group uses", async () => {
    await refuses(
      { leaf: (leaf) => ({ ...leaf, capabilities: { ...leaf.capabilities, cipherSuites: [2] } }) },
      "capabilities_insufficient",
    );
    await refuses(
      { leaf: (leaf) => ({ ...leaf, extensions: [{ extensionType: 0xf0f0, data: text("x") }] }) },
      "capabilities_insufficient",
    );
  });
});

describe("section 7.3: leaf nodes in Update proposals", () => {
  async function update(
    change: (leaf: UnsignedLeafNode) => UnsignedLeafNode,
    leafIndex = leafOf(world, "dave"),
  ): Promise<Uint8Array> {
    const dave = stateOf(world, "dave");
    const current = dave.epoch.tree.leaves[dave.epoch.ownLeafIndex] as LeafNode;
    const { publicKey } = await suite.generateKeyPair();
    const unsigned: UnsignedLeafNode = {
      encryptionKey: publicKey,
      signatureKey: current.signatureKey,
      credential: current.credential,
      capabilities: current.capabilities,
      extensions: [],
      source: "update",
    };
    const position = { groupId: dave.epoch.groupContext.groupId, leafIndex };
    const leafNode = await signLeafNode(suite, change(unsigned), position, dave.epoch.signaturePrivateKey);
    return send(dave, { contentType: "proposal", proposal: { type: "update", leafNode } });
  }

  test("as they should be", async () => {
    const outcome = await processMessage(bob, await update((leaf) => leaf), { authentication });
    expect(outcome.kind).toBe("proposal");
  });

  test("with another source", async () => {
    const bytes = await update((leaf) => ({ ...leaf, source: "commit", parentHash: new Uint8Array(0) }));
    await refusesMessage(bytes, "leaf_source_invalid");
  });

  test("with the old encryption key", async () => {
    const { encryptionKey } = bob.epoch.tree.leaves[leafOf(world, "dave")] as LeafNode;
    await refusesMessage(await update((leaf) => ({ ...leaf, encryptionKey })), "key_not_fresh");
  });

  test("signed for another place", async () => {
    await refusesMessage(await update((leaf) => leaf, leafOf(world, "erin")), "leaf_signature_invalid");
  });

  test("with a credential of somebody else", async () => {
    const credential = { type: "basic", identity: text("zoe") } as const;
    await refusesMessage(await update((leaf) => ({ ...leaf, credential })), "successor_rejected");
  });
});

describe("section 12.1: single proposals", () => {
  test("12.1.3: a Remove of nobody", async () => {
    for (const removed of [7, 8, 4_000_000_000]) {
      await refuses({ list: byValue({ type: "remove", removed }) }, "unknown_member");
    }
  });

  test("12.1.4: PSKs with a nonce of the wrong length or a usage of their own", async () => {
    const external = { type: "external", pskId: text("id"), nonce: new Uint8Array(31) } as const;
    await refuses({ list: byValue({ type: "psk", id: external }) }, "psk_invalid");
    for (const usage of ["reinit", "branch"] as const) {
      const id = { type: "resumption", usage, groupId: text("group"), epoch: 1n, nonce: new Uint8Array(32) } as const;
      await refuses({ list: byValue({ type: "psk", id }) }, "psk_invalid");
    }
  });

  test("12.1.5: a ReInit to an older version", async () => {
    const proposal = { type: "reinit", groupId: text("next"), version: 0, cipherSuite: 1, extensions: [] } as const;
    await refuses({ list: byValue(proposal) }, "reinit_invalid");
  });

  test("12.1.7: extensions or required capabilities that a member does not support", async () => {
    const unknown = [{ extensionType: 0xf0f0, data: text("x") }];
    await refuses(
      { list: byValue({ type: "groupContextExtensions", extensions: unknown }) },
      "capabilities_insufficient",
    );
    for (const required of [
      { extensions: [0xf0f0], proposals: [], credentials: [] },
      { extensions: [], proposals: [0xf0f0], credentials: [] },
      { extensions: [], proposals: [], credentials: [2] },
    ]) {
      const extensions = [requiredCapabilitiesExtension(required)];
      await refuses({ list: byValue({ type: "groupContextExtensions", extensions }) }, "capabilities_insufficient");
    }
    const extensions = [requiredCapabilitiesExtension({ extensions: [1], proposals: [1], credentials: [1] })];
    await accepts({ list: byValue({ type: "groupContextExtensions", extensions }) });
  });

  test("7.3, 12.1.7: extensions that the committer supports and an unchanged member does not", async () => {
    const able = { capabilities: { extensions: [0xf0f0], proposals: [0xf0f1], credentials: [1, 2] } };
    const mixed = await newWorld(suite, "alice", { client: able });
    const second = await newClient(suite, "bob", able);
    const proposals = [addOf(second.keyPackage)];
    await join(mixed, second, await commit(mixed, "alice", { proposals }));
    [alice, bob] = [stateOf(mixed, "alice"), stateOf(mixed, "bob")];
    const lists = [
      [{ extensionType: 0xf0f0, data: text("x") }],
      [requiredCapabilitiesExtension({ extensions: [0xf0f0], proposals: [], credentials: [] })],
      [requiredCapabilitiesExtension({ extensions: [], proposals: [0xf0f1], credentials: [] })],
      [requiredCapabilitiesExtension({ extensions: [], proposals: [], credentials: [2] })],
    ].map((extensions) => byValue({ type: "groupContextExtensions", extensions }));
    for (const list of lists) await accepts({ list });
    await add(mixed, "alice", ["carol"]);
    [alice, bob] = [stateOf(mixed, "alice"), stateOf(mixed, "bob")];
    for (const list of lists) {
      await refuses({ list }, "capabilities_insufficient");
      const created = createCommit(alice, { authentication, proposals: list.map(({ proposal }) => proposal) });
      await expect(created).rejects.toMatchObject({ code: "capabilities_insufficient" });
    }
  });

  test("12.1.8.1: external senders that the application does not accept, or that are garbage", async () => {
    const credential = { type: "basic", identity: text("mallory") } as const;
    const extensions = [externalSendersExtension([{ signatureKey: text("key"), credential }])];
    await refuses({ list: byValue({ type: "groupContextExtensions", extensions }) }, "credential_rejected");
    const garbage = [{ extensionType: 5, data: text("garbage") }];
    await refuses({ list: byValue({ type: "groupContextExtensions", extensions: garbage }) }, "decode_failed");
  });
});

describe("section 12.2: lists of a member's commit", () => {
  test("an Update of the committer, by value and by reference", async () => {
    const own = await createProposal(alice, { type: "update" }, { authentication });
    const received = await processMessage(bob, own.message, { authentication });
    const proposal = received.kind === "proposal" ? received.proposal : undefined;
    if (proposal === undefined) throw new Error("not a proposal");
    const sender = { type: "member", leafIndex: alice.epoch.ownLeafIndex } as const;
    const forged = await forgeCommit(own.state, { list: [{ proposal, sender, ref: own.ref }] });
    await refusesMessage(forged, "commit_updates_committer", true, received.state);
    await refuses({ list: [{ proposal, sender }] }, "commit_updates_committer");
  });

  test("a Remove of the committer", async () => {
    const removed = alice.epoch.ownLeafIndex;
    await refuses({ list: byValue({ type: "remove", removed }) }, "commit_removes_committer");
  });

  test("two changes of one leaf", async () => {
    const removed = leafOf(world, "dave");
    await refuses({ list: byValue({ type: "remove", removed }, { type: "remove", removed }) }, "leaf_changed_twice");
    const update = await createProposal(stateOf(world, "dave"), { type: "update" }, { authentication });
    const seen = await processMessage(bob, update.message, { authentication });
    const mine = await processMessage(alice, update.message, { authentication });
    if (mine.kind !== "proposal") throw new Error("not a proposal");
    const forged = await forgeCommit(mine.state, {
      list: [
        { proposal: mine.proposal, sender: mine.sender, ref: mine.ref },
        { proposal: { type: "remove", removed }, sender: { type: "member", leafIndex: 0 } },
      ],
    });
    await refusesMessage(forged, "leaf_changed_twice", true, seen.state);
  });

  test("two Adds of one client, or one of a client in the group; not if it is removed at once", async () => {
    const [one, two] = [await packageWith("frank"), await packageWith("frank")];
    await refuses({ list: byValue(addOf(one), addOf(two)) }, "duplicate_client");
    const again = await packageWith("erin");
    await refuses({ list: byValue(addOf(again)) }, "duplicate_client");
    await accepts({ list: byValue(addOf(again), { type: "remove", removed: leafOf(world, "erin") }) });
  });

  test("one PSK twice", async () => {
    const id = { type: "external", pskId: text("id"), nonce: new Uint8Array(32) } as const;
    await refuses({ list: byValue({ type: "psk", id }, { type: "psk", id }) }, "psk_repeated");
  });

  test("two changes of the group's extensions", async () => {
    const proposal = { type: "groupContextExtensions", extensions: [] } as const;
    await refuses({ list: byValue(proposal, proposal) }, "extensions_repeated");
  });

  test("a ReInit with something else", async () => {
    const proposal = { type: "reinit", groupId: text("next"), version: 1, cipherSuite: 1, extensions: [] } as const;
    await refuses({ list: byValue(proposal, { type: "remove", removed: 1 }) }, "reinit_not_alone");
  });

  test("an ExternalInit", async () => {
    await refuses({ list: byValue({ type: "externalInit", kemOutput: text("kem") }) }, "external_init_not_allowed");
  });

  test("a reference to what was never sent", async () => {
    const list = [{ proposal: { type: "remove", removed: 1 }, ref: new Uint8Array(32) } as const];
    await refuses({ list }, "unknown_proposal");
  });
});

describe("section 12.3: order", () => {
  test("new extensions count for Adds of the same commit", async () => {
    const required = requiredCapabilitiesExtension({ extensions: [], proposals: [], credentials: [1, 2] });
    const able = await newWorld(suite, "alice", { client: { capabilities: { credentials: [1, 2] } } });
    const frank = await newClient(suite, "frank");
    const state = stateOf(able, "alice");
    await expect(
      createCommit(state, {
        authentication,
        proposals: [addOf(frank.keyPackage), { type: "groupContextExtensions", extensions: [required] }],
      }),
    ).rejects.toMatchObject({ code: "capabilities_insufficient" });
    const gina = await newClient(suite, "gina", { capabilities: { credentials: [1, 2] } });
    const created = await createCommit(state, {
      authentication,
      proposals: [addOf(gina.keyPackage), { type: "groupContextExtensions", extensions: [required] }],
    });
    expect(created.summary.added).toHaveLength(1);
  });

  test("an Add takes the leaf that a Remove of the same commit frees, wherever they stand in the list", async () => {
    const removed = leafOf(world, "carol");
    const frank = await newClient(suite, "frank");
    const created = await createCommit(alice, {
      authentication,
      proposals: [addOf(frank.keyPackage), { type: "remove", removed }],
    });
    expect(created.summary.added[0]?.leafIndex).toBe(removed);
    const outcome = await processMessage(bob, created.commit, { authentication });
    expect(outcome.kind === "commit" && outcome.summary.added[0]?.leafIndex).toBe(removed);
  });
});

describe("section 12.4: when a path is required", () => {
  test.each([
    ["nothing", () => []],
    ["a Remove", () => byValue({ type: "remove", removed: leafOf(world, "erin") })],
    ["extensions", () => byValue({ type: "groupContextExtensions", extensions: [] })],
  ] as const)("a commit of %s without one", async (_what, list) => {
    await refuses({ list: list(), path: false }, "path_missing");
  });

  test("a commit of an Update without one", async () => {
    const update = await createProposal(stateOf(world, "dave"), { type: "update" }, { authentication });
    const seen = await processMessage(bob, update.message, { authentication });
    if (seen.kind !== "proposal") throw new Error("not a proposal");
    const list = [{ proposal: seen.proposal, sender: seen.sender, ref: seen.ref }];
    const forged = await forgeCommit(alice, { list, path: false });
    await refusesMessage(forged, "path_missing", true, seen.state);
  });

  test("Adds, PSKs and a ReInit need none, and get one when it is forced", async () => {
    const frank = await newClient(suite, "frank");
    const proposals = [addOf(frank.keyPackage)];
    const without = await createCommit(alice, { authentication, proposals, forcePath: false });
    const forced = await createCommit(alice, { authentication, proposals });
    expect([without.summary.hasPath, forced.summary.hasPath]).toEqual([false, true]);
    for (const { commit: bytes, summary } of [without, forced]) {
      const outcome = await processMessage(bob, bytes, { authentication });
      expect(outcome.kind === "commit" && outcome.summary.hasPath).toBe(summary.hasPath);
    }
  });
});

describe("section 12.4.2: the path", () => {
  test("of the wrong length, or with the wrong number of ciphertexts", async () => {
    await refuses({ updatePath: (path) => ({ ...path, nodes: path.nodes.slice(1) }) }, "path_invalid");
    const { publicKey: encryptionKey } = await suite.generateKeyPair();
    const longer = { encryptionKey, encryptedPathSecrets: [] };
    await refuses({ updatePath: (path) => ({ ...path, nodes: [...path.nodes, longer] }) }, "path_invalid");
    await refuses(
      {
        updatePath: (path) => ({
          ...path,
          nodes: path.nodes.map((node) => ({
            ...node,
            encryptedPathSecrets: [...node.encryptedPathSecrets, ...node.encryptedPathSecrets],
          })),
        }),
      },
      "path_invalid",
    );
  });

  test("with a key that is in the tree, or twice", async () => {
    const present = bob.epoch.tree.parents.find((each) => each !== undefined)?.encryptionKey as Uint8Array;
    const replace = (encryptionKey: Uint8Array) => (path: Parameters<NonNullable<Forgery["updatePath"]>>[0]) => ({
      ...path,
      nodes: path.nodes.map((node, index) => (index === 0 ? { ...node, encryptionKey } : node)),
    });
    await refuses({ updatePath: replace(present) }, "key_not_fresh");
    const { encryptionKey } = bob.epoch.tree.leaves[bob.epoch.ownLeafIndex] as LeafNode;
    await refuses({ updatePath: replace(encryptionKey) }, "key_not_fresh");
    await refuses({ updatePath: (path) => replace(path.leafNode.encryptionKey)(path) }, "key_not_fresh");
  });

  test("7.9.2: with keys or a parent hash that do not belong together", async () => {
    const { publicKey } = await suite.generateKeyPair();
    await refuses(
      {
        updatePath: (path) => ({
          ...path,
          nodes: path.nodes.map((node, index) => (index === 0 ? { ...node, encryptionKey: publicKey } : node)),
        }),
      },
      "parent_hash_invalid",
    );
    await refuses(
      { leaf: (leaf) => ({ ...leaf, parentHash: new Uint8Array(32) }) as UnsignedLeafNode },
      "parent_hash_invalid",
    );
  });

  test("with secrets that do not decrypt is this member's trouble alone", async () => {
    const garble = (path: Parameters<NonNullable<Forgery["updatePath"]>>[0]) => ({
      ...path,
      nodes: path.nodes.map((node) => ({
        ...node,
        encryptedPathSecrets: node.encryptedPathSecrets.map(({ kemOutput, ciphertext }) => ({
          kemOutput,
          ciphertext: ciphertext.map((byte, index) => (index === 0 ? byte ^ 1 : byte)),
        })),
      })),
    });
    await refuses({ updatePath: garble }, "hpke_failed", false);
  });

  test("with secrets of another path is this member's trouble alone", async () => {
    const random = (secrets: readonly Uint8Array[]) => secrets.map((secret) => suite.random(secret.length));
    await refuses({ pathSecrets: random }, "path_secret_invalid", false);
    const short = (secrets: readonly Uint8Array[]) => secrets.map((secret) => secret.subarray(1));
    await refuses({ pathSecrets: short }, "path_secret_invalid", false);
  });

  test("4.1.1 and 7.5: new leaves are left out of the encryption", async () => {
    const frank = addOf(await packageWith("frank"));
    await refuses({ list: byValue(frank), includeNewLeaves: true }, "path_invalid");
    await accepts({ list: byValue(frank) });
  });

  test("12.4.2: a wrong confirmation tag", async () => {
    await refuses({ auth: (auth) => ({ ...auth, confirmationTag: new Uint8Array(32) }) }, "confirmation_tag_invalid");
  });

  test("12.4.2: the provisional context has the new extensions", async () => {
    const extensions = [requiredCapabilitiesExtension({ extensions: [], proposals: [], credentials: [1] })];
    const list = byValue({ type: "groupContextExtensions", extensions });
    await accepts({ list });
    await refuses({ list, oldExtensions: true }, "hpke_failed", false);
  });

  test("8.4: PSKs count in the order of their proposals", async () => {
    const ids = ["one", "two"].map(
      (name) => ({ type: "external", pskId: text(name), nonce: suite.random(32) }) as const,
    );
    const psks = ids.map((id) => ({ id, secret: id.pskId }));
    const list = byValue(...ids.map((id) => ({ type: "psk", id }) as const));
    const lookup = (id: { readonly type: string; readonly pskId?: Uint8Array }): Uint8Array | undefined => id.pskId;
    const right = await forgeCommit(alice, { list, psks });
    const outcome = await processMessage(bob, right, { authentication, psks: lookup });
    expect(outcome.kind).toBe("commit");
    const wrong = await forgeCommit(alice, { list, psks: [...psks].reverse() });
    await expect(processMessage(bob, wrong, { authentication, psks: lookup })).rejects.toMatchObject({
      code: "confirmation_tag_invalid",
    });
    await expect(processMessage(bob, right, { authentication })).rejects.toMatchObject({
      code: "psk_missing",
      everyone: false,
    });
  });
});

test("creating checks what processing checks", async () => {
  const removed = leafOf(world, "alice");
  await expect(createCommit(alice, { authentication, proposals: [{ type: "remove", removed }] })).rejects.toMatchObject(
    { code: "commit_removes_committer" },
  );
  const garbled = decodeKeyPackage((await newClient(suite, "frank")).bytes);
  await expect(
    createCommit(alice, {
      authentication,
      proposals: [addOf({ ...garbled, signature: new Uint8Array(64) })],
    }),
  ).rejects.toMatchObject({ code: "key_package_signature_invalid" });
  const expired = await newClient(suite, "gina", { lifetime: { notBefore: 1n, notAfter: 2n } });
  await expect(
    createCommit(alice, { authentication, proposals: [addOf(expired.keyPackage)], lifetime: { now: 10n } }),
  ).rejects.toMatchObject({ code: "lifetime_invalid", everyone: false });
  const endless = await newClient(suite, "gina", { lifetime: { notBefore: 0n, notAfter: 2n ** 64n - 1n } });
  await expect(
    createCommit(alice, {
      authentication,
      proposals: [addOf(endless.keyPackage)],
      lifetime: { now: 10n, maximum: 100n },
    }),
  ).rejects.toMatchObject({ code: "lifetime_invalid", everyone: false });
});

test("7.2: a key package that is not valid yet is not added, and from its first second it is", async () => {
  const { keyPackage } = await newClient(suite, "frank");
  const adding = (now: bigint) =>
    createCommit(alice, { authentication, proposals: [addOf(keyPackage)], lifetime: { now } });
  await expect(adding(lifetime.notBefore - 1n)).rejects.toMatchObject({ code: "lifetime_invalid", everyone: false });
  expect((await adding(lifetime.notBefore)).summary.added).toHaveLength(1);
  expect((await adding(lifetime.notAfter)).summary.added).toHaveLength(1);
});
