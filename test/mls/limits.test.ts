/** What a peer cannot do to a client's memory. */
import {
  createCommit,
  createGroup,
  createMessage,
  decodeKeyPackage,
  processMessage,
  type GroupState,
  type PendingProposal,
} from "@tacit/mls";
import { createProposal } from "@tacit/mls";
import { maximumPendingProposals } from "../../mls/src/processMessage.ts";
import { freeLeaf, leafAt, maximumLeaves } from "../../mls/src/ratchetTree.ts";
import {
  add,
  authentication,
  commit,
  expectAgreement,
  join,
  leafOf,
  newClient,
  newWorld,
  now,
  stateOf,
  testSuite,
  text,
} from "./world.ts";

test("an epoch holds a bounded number of proposals, and each once", async () => {
  const world = await newWorld(testSuite());
  await add(world, "alice", ["bob"]);
  const bob = stateOf(world, "bob");
  const update = await createProposal(
    stateOf(world, "alice"),
    { type: "update" },
    { authentication, privateMessage: false },
  );
  const once = await processMessage(bob, update.message, { authentication });
  const twice = await processMessage(once.state, update.message, { authentication });
  expect(twice.state.epoch.proposals).toHaveLength(1);
  const many = (count: number): GroupState => ({
    ...bob,
    epoch: {
      ...bob.epoch,
      proposals: Array.from({ length: count }, (_, index): PendingProposal => ({
        ref: Uint8Array.of(index >> 8, index),
        proposal: { type: "remove", removed: 0 },
        sender: { type: "member", leafIndex: 0 },
      })),
    },
  });
  const last = await processMessage(many(maximumPendingProposals - 1), update.message, { authentication });
  expect(last.kind).toBe("proposal");
  await expect(processMessage(many(maximumPendingProposals), update.message, { authentication })).rejects.toMatchObject(
    { code: "too_many_proposals", everyone: true },
  );
});

test("a tree does not grow beyond its bound", () => {
  const leaves = { length: maximumLeaves } as never;
  expect(() => freeLeaf({ leaves, parents: [], hashes: [] }, maximumLeaves)).toThrow(
    expect.objectContaining({ code: "group_too_large" }),
  );
});

test("a leaf index that is no index names nobody", async () => {
  const { tree } = stateOf(await newWorld(testSuite()), "alice").epoch;
  expect(leafAt(tree, 0)).toBeDefined();
  for (const index of [-1, 1, 0.5, Number.NaN, 2 ** 32]) expect(leafAt(tree, index)).toBeUndefined();
});

test("arguments out of range are the caller's mistake", async () => {
  const state = stateOf(await newWorld(testSuite()), "alice");
  for (const padding of [-1, 0.5, Number.NaN]) {
    await expect(createMessage(state, text("x"), { padding })).rejects.toMatchObject({ code: "invalid_argument" });
  }
});

test("a group in its last epoch stays there", async () => {
  const state = stateOf(await newWorld(testSuite()), "alice");
  const last: GroupState = {
    ...state,
    epoch: { ...state.epoch, groupContext: { ...state.epoch.groupContext, epoch: 2n ** 64n - 1n } },
  };
  await expect(createCommit(last, { authentication })).rejects.toMatchObject({ code: "epoch_exhausted" });
});

test("proposals that cannot be committed keep nobody from committing what can", async () => {
  const suite = testSuite();
  const world = await newWorld(suite);
  await add(world, "alice", ["bob", "carol", "dave"]);
  const twin = await newClient(suite, "carol");
  const erin = await newClient(suite, "erin");
  const expired = await newClient(suite, "frank", { lifetime: { notBefore: 0n, notAfter: 1n } });
  const nonce = new Uint8Array(32);
  const proposals = [
    { type: "add", keyPackage: twin.keyPackage },
    { type: "add", keyPackage: erin.keyPackage },
    { type: "add", keyPackage: expired.keyPackage },
    { type: "psk", id: { type: "external", pskId: text("unknown"), nonce } },
    { type: "groupContextExtensions", extensions: [{ extensionType: 0xf0f0, data: text("unsupported") }] },
    { type: "remove", removed: leafOf(world, "dave") },
    { type: "reinit", groupId: text("next"), version: 1, cipherSuite: 1, extensions: [] },
    { type: "remove", removed: leafOf(world, "bob") },
    { type: "remove", removed: leafOf(world, "dave") },
  ] as const;
  for (const proposal of proposals) {
    const made = await createProposal(stateOf(world, "alice"), proposal, { authentication });
    for (const [name, state] of [...world.states]) {
      const next =
        name === "alice" ? made.state : (await processMessage(state, made.message, { authentication })).state;
      world.states.set(name, next);
    }
  }
  const created = await commit(world, "bob", { lifetime: { now } });
  expect(created.summary.proposals.map(({ proposal }) => proposal.type)).toEqual(["add", "remove"]);
  expect(created.summary.added[0]?.leafNode.credential).toEqual(erin.keyPackage.leafNode.credential);
  await join(world, erin, created);
  expectAgreement(world);
});

test("a ReInit that waits is committed when nothing else is", async () => {
  const world = await newWorld(testSuite());
  await add(world, "alice", ["bob"]);
  const reinit = { type: "reinit", groupId: text("next"), version: 1, cipherSuite: 1, extensions: [] } as const;
  const made = await createProposal(stateOf(world, "alice"), reinit, { authentication });
  const state = (await processMessage(stateOf(world, "bob"), made.message, { authentication })).state;
  expect((await createCommit(state, { authentication })).summary.reinit).toEqual(reinit);
  const other = await createCommit(state, { authentication, proposals: [{ type: "remove", removed: 0 }] });
  expect(other.summary.reinit).toBeUndefined();
  const chosen = await createCommit(state, { authentication, references: [made.ref] });
  expect(chosen.summary.reinit).toEqual(reinit);
  expect((await createCommit(state, { authentication, references: "none" })).summary.proposals).toEqual([]);
  await expect(createCommit(state, { authentication, references: [text("other")] })).rejects.toMatchObject({
    code: "invalid_argument",
  });
});

test("groups and key packages that contradict themselves are not made", async () => {
  const suite = testSuite();
  const { keyPackage, privateKeys } = await newClient(suite, "alice");
  const extension = { extensionType: 1, data: text("x") };
  const options = { suite, groupId: text("group"), keyPackage, privateKeys, authentication };
  await expect(createGroup({ ...options, extensions: [extension, extension] })).rejects.toMatchObject({
    code: "invalid_argument",
  });
  const unsupported = { extensionType: 0xf0f0, data: text("x") };
  await expect(createGroup({ ...options, extensions: [unsupported] })).rejects.toMatchObject({
    code: "capabilities_insufficient",
  });
  await expect(newClient(suite, "bob", { lifetime: { notBefore: 2n, notAfter: 1n } })).rejects.toMatchObject({
    code: "invalid_argument",
  });
  const { message } = await createMessage(stateOf(await newWorld(suite), "alice"), text("x"));
  expect(() => decodeKeyPackage(message)).toThrow(expect.objectContaining({ code: "decode_failed" }));
});
