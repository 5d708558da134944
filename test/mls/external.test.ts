/** Joining and proposing from outside: RFC 9420, sections 8.3, 12.1.8 and 12.4.3.2. */
import {
  clearPendingProposals,
  createCommit,
  createExternalProposal,
  createGroupInfo,
  createNewMemberProposal,
  encodeRatchetTree,
  externalSendersExtension,
  joinExternally,
  MlsError,
  processMessage,
  resumptionPsk,
  type GroupState,
  type JoinedExternally,
  type JoinExternallyOptions,
  type LeafNode,
} from "@tacit/mls";
import { decodeMlsMessage, encodeMlsMessage } from "../../mls/src/mlsMessage.ts";
import type { Proposal } from "../../mls/src/proposal.ts";
import {
  add,
  authentication,
  commit,
  expectAgreement,
  join,
  leafOf,
  newClient,
  newWorld,
  stateOf,
  testSuite,
  text,
  type World,
} from "./world.ts";

async function enter(
  world: World,
  name: string,
  through: string,
  options: Partial<JoinExternallyOptions> = {},
): Promise<JoinedExternally> {
  const joined = await joinExternally({
    suite: world.suite,
    groupInfo: await createGroupInfo(stateOf(world, through), { ratchetTree: true }),
    credential: { type: "basic", identity: text(name) },
    signatureKeyPair: await world.suite.generateSignatureKeyPair(),
    authentication,
    ...options,
  });
  return joined;
}

async function follow(world: World, bytes: Uint8Array): Promise<void> {
  for (const [name, state] of [...world.states]) {
    const received = await processMessage(state, bytes, { authentication });
    if (received.kind !== "commit") throw new Error("expected a commit");
    if (received.removed) world.states.delete(name);
    else world.states.set(name, received.state);
  }
}

test.each([0x0001, 0x0002, 0xf0a2])("suite %i: a new member enters, and an old one returns", async (id) => {
  const world = await newWorld(testSuite(id));
  await add(world, "alice", ["bob", "carol"]);
  const dave = await enter(world, "dave", "bob");
  await follow(world, dave.commit);
  world.states.set("dave", dave.next);
  expectAgreement(world);
  expect(dave.summary.added.map(({ leafIndex }) => leafIndex)).toEqual([3]);

  // Section 12.4.3.2: the returning member takes the leftmost free leaf, not necessarily its old one.
  const carols = leafOf(world, "carol");
  await commit(world, "alice", { proposals: [{ type: "remove", removed: leafOf(world, "bob") }] });
  const back = await enter(world, "carol", "alice", { resync: carols });
  world.states.delete("carol");
  await follow(world, back.commit);
  world.states.set("carol", back.next);
  expect(back.next.epoch.ownLeafIndex).toBe(1);
  expect(back.summary.removed.map(({ leafIndex }) => leafIndex)).toEqual([carols]);
  expectAgreement(world);
  for (const name of ["carol", "alice", "dave"]) await commit(world, name);
  expectAgreement(world);
});

describe("section 12.4.3.2: external commits that are refused", () => {
  let world: World;
  let bob: GroupState;

  beforeEach(async () => {
    world = await newWorld(testSuite());
    await add(world, "alice", ["bob", "carol"]);
    bob = stateOf(world, "bob");
  });

  async function refused(bytes: Uint8Array, code: string, everyone = true, receiver = bob): Promise<void> {
    const error = await processMessage(receiver, bytes, { authentication }).then(
      () => new Error("accepted"),
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(MlsError);
    expect(error).toMatchObject({ code, everyone });
  }

  /** Signs a change of an external commit's proposals again; the list is judged before the tag. */
  async function withProposals(change: (proposals: Proposal[]) => Proposal[], reference = false): Promise<Uint8Array> {
    const { suite } = world;
    const signatureKeyPair = await suite.generateSignatureKeyPair();
    const entered = await enter(world, "dave", "alice", { signatureKeyPair });
    const message = decodeMlsMessage(entered.commit);
    if (message.wireFormat !== "publicMessage") throw new Error("not public");
    const { framed, auth } = message.publicMessage;
    if (framed.content.contentType !== "commit") throw new Error("not a commit");
    const proposals = framed.content.commit.proposals.flatMap((item) =>
      item.type === "proposal" ? [item.proposal] : [],
    );
    const list = change(proposals).map((proposal) => ({ type: "proposal", proposal }) as const);
    const { framedContentTbs, signContent } = await import("../../mls/src/framing.ts");
    const { encodeGroupContext } = await import("../../mls/src/groupContext.ts");
    const changed = {
      ...framed,
      content: {
        ...framed.content,
        commit: {
          ...framed.content.commit,
          proposals: reference
            ? [...list, { type: "reference", reference: bob.epoch.proposals[0]?.ref as Uint8Array } as const]
            : list,
        },
      },
    };
    const tbs = framedContentTbs("publicMessage", changed, encodeGroupContext(bob.epoch.groupContext));
    const signature = await signContent(suite, signatureKeyPair.privateKey, tbs);
    return encodeMlsMessage({
      wireFormat: "publicMessage",
      publicMessage: { framed: changed, auth: { ...auth, signature } },
    });
  }

  test("without an ExternalInit, with two, with two Removes, or with anything else", async () => {
    await refused(await withProposals(() => []), "external_commit_invalid");
    await refused(await withProposals((list) => [...list, ...list]), "external_commit_invalid");
    const removals: Proposal[] = [0, 2].map((removed) => ({ type: "remove", removed }));
    await refused(await withProposals((list) => [...list, ...removals]), "external_commit_invalid");
    const { keyPackage } = await newClient(world.suite, "erin");
    await refused(await withProposals((list) => [...list, { type: "add", keyPackage }]), "external_commit_invalid");
    const extensions: Proposal = { type: "groupContextExtensions", extensions: [] };
    await refused(await withProposals((list) => [...list, extensions]), "external_commit_invalid");
  });

  test("with a PSK twice", async () => {
    const psk: Proposal = { type: "psk", id: { type: "external", pskId: text("x"), nonce: new Uint8Array(32) } };
    await refused(await withProposals((list) => [...list, psk, psk]), "psk_repeated");
  });

  test("with a reference", async () => {
    const { createProposal } = await import("@tacit/mls");
    const made = await createProposal(stateOf(world, "alice"), { type: "remove", removed: 2 }, { authentication });
    bob = (await processMessage(bob, made.message, { authentication })).state;
    await refused(await withProposals((list) => list, true), "external_commit_invalid");
  });

  test("with a bad KEM output every member fails alike", async () => {
    const bad = await withProposals(() => [{ type: "externalInit", kemOutput: new Uint8Array(31) }]);
    await refused(bad, "external_init_invalid");
    const other = await withProposals(() => [{ type: "externalInit", kemOutput: world.suite.random(32) }]);
    await refused(other, "confirmation_tag_invalid");
  });

  test("that removes somebody else than the joiner's own former self", async () => {
    await expect(enter(world, "dave", "alice", { resync: 2 })).rejects.toMatchObject({ code: "successor_rejected" });
    const bytes = await withProposals((list) => [...list, { type: "remove", removed: 2 }]);
    await refused(bytes, "successor_rejected");
  });

  test("by a client that is in the group, or that the application does not accept", async () => {
    await expect(enter(world, "carol", "alice")).rejects.toMatchObject({ code: "duplicate_client" });
    await expect(enter(world, "mallory", "alice")).rejects.toMatchObject({ code: "credential_rejected" });
  });

  test("without external_pub, without a tree, or with a tree that is not the group's", async () => {
    const alice = stateOf(world, "alice");
    const groupInfo = await createGroupInfo(alice, { externalPub: false, ratchetTree: true });
    await expect(enter(world, "dave", "alice", { groupInfo })).rejects.toMatchObject({ code: "external_pub_missing" });
    const treeless = await createGroupInfo(alice);
    await expect(enter(world, "dave", "alice", { groupInfo: treeless })).rejects.toMatchObject({
      code: "ratchet_tree_missing",
    });
    const { bytes } = await newClient(world.suite, "erin");
    await expect(enter(world, "dave", "alice", { groupInfo: bytes })).rejects.toMatchObject({
      code: "invalid_argument",
    });
    const suite = testSuite(3);
    await expect(enter(world, "dave", "alice", { suite })).rejects.toMatchObject({ code: "unsupported" });
    const { next } = await createCommit(alice, { authentication });
    await expect(
      enter(world, "dave", "alice", { groupInfo: treeless, ratchetTree: encodeRatchetTree(next) }),
    ).rejects.toMatchObject({ code: "tree_hash_invalid" });
    const entered = await enter(world, "dave", "alice", { groupInfo: treeless, ratchetTree: encodeRatchetTree(alice) });
    expect((await processMessage(bob, entered.commit, { authentication })).kind).toBe("commit");
  });

  test("with a GroupInfo that its signer did not sign", async () => {
    const groupInfo = await createGroupInfo(stateOf(world, "alice"), { ratchetTree: true });
    const message = decodeMlsMessage(groupInfo);
    if (message.wireFormat !== "groupInfo") throw new Error("not a GroupInfo");
    const forged = encodeMlsMessage({
      wireFormat: "groupInfo",
      groupInfo: { ...message.groupInfo, signer: 1 },
    });
    await expect(enter(world, "dave", "alice", { groupInfo: forged })).rejects.toMatchObject({
      code: "group_info_signature_invalid",
    });
  });
});

test("section 8.4: an external commit proves an earlier membership with a resumption PSK", async () => {
  const world = await newWorld(testSuite(), "alice", {
    config: { skippedKeys: 0, forwardLimit: 1000, pastEpochs: 0, resumptionPsks: 1 },
  });
  await add(world, "alice", ["bob", "carol"]);
  const old = stateOf(world, "carol");
  const secret = resumptionPsk(old);
  const { groupId, epoch } = old.epoch.groupContext;
  await commit(world, "alice");
  world.states.delete("carol");
  const id = { type: "resumption", usage: "application", groupId, epoch, nonce: world.suite.random(32) } as const;
  const back = await enter(world, "carol", "alice", {
    resync: old.epoch.ownLeafIndex,
    psks: { ids: [id], lookup: () => secret },
  });
  await follow(world, back.commit);
  world.states.set("carol", back.next);
  expectAgreement(world);
});

describe("section 12.1.8: proposals from outside", () => {
  test("an external sender proposes, and only what it may; the group commits", async () => {
    const suite = testSuite();
    const service = await suite.generateSignatureKeyPair();
    const credential = { type: "basic", identity: text("service") } as const;
    const extensions = [externalSendersExtension([{ signatureKey: service.publicKey, credential }])];
    const world = await newWorld(suite, "alice", { extensions });
    await add(world, "alice", ["bob", "carol"]);
    const { groupId, epoch } = stateOf(world, "alice").epoch.groupContext;
    const target = { suite, groupId, epoch, signaturePrivateKey: service.privateKey, senderIndex: 0 };
    const bytes = await createExternalProposal({ ...target, proposal: { type: "remove", removed: 2 } });
    for (const [name, state] of [...world.states]) {
      const received = await processMessage(state, bytes, { authentication });
      expect(received.kind === "proposal" && received.sender).toEqual({ type: "external", senderIndex: 0 });
      world.states.set(name, received.state);
    }
    const outsider = await suite.generateSignatureKeyPair();
    const forged = await createExternalProposal({
      ...target,
      signaturePrivateKey: outsider.privateKey,
      proposal: { type: "remove", removed: 1 },
    });
    await expect(processMessage(stateOf(world, "bob"), forged, { authentication })).rejects.toMatchObject({
      code: "signature_invalid",
    });
    const nobody = await createExternalProposal({
      ...target,
      senderIndex: 1,
      proposal: { type: "remove", removed: 1 },
    });
    await expect(processMessage(stateOf(world, "bob"), nobody, { authentication })).rejects.toMatchObject({
      code: "unknown_sender",
    });
    const leafNode = stateOf(world, "bob").epoch.tree.leaves[1] as LeafNode;
    for (const proposal of [
      { type: "update", leafNode },
      { type: "externalInit", kemOutput: text("x") },
    ] as const) {
      await expect(createExternalProposal({ ...target, proposal })).rejects.toMatchObject({
        code: "proposal_not_allowed",
      });
    }
    const created = await commit(world, "bob");
    expect(created.summary.removed[0]?.by).toEqual({ type: "external", senderIndex: 0 });
    expectAgreement(world);
  });

  test("a new member asks to be added", async () => {
    const world = await newWorld(testSuite());
    await add(world, "alice", ["bob"]);
    const dave = await newClient(world.suite, "dave");
    const { groupId, epoch } = stateOf(world, "alice").epoch.groupContext;
    const bytes = await createNewMemberProposal({
      suite: world.suite,
      groupId,
      epoch,
      keyPackage: dave.keyPackage,
      signaturePrivateKey: dave.signatureKeyPair.privateKey,
    });
    for (const [name, state] of [...world.states]) {
      world.states.set(name, (await processMessage(state, bytes, { authentication })).state);
    }
    const ignoring = clearPendingProposals(stateOf(world, "alice"));
    expect((await createCommit(ignoring, { authentication })).summary.added).toHaveLength(0);
    const created = await commit(world, "bob");
    await join(world, dave, created);
    expect(created.summary.added[0]?.by).toEqual({ type: "newMemberProposal" });
    expectAgreement(world);
  });
});
