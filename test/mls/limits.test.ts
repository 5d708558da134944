/** What a peer cannot do to a client's memory. */
import { createMessage, processMessage, type GroupState, type PendingProposal } from "@tacit/mls";
import { createProposal } from "@tacit/mls";
import { maximumPendingProposals } from "../../mls/src/processMessage.ts";
import { freeLeaf, leafAt, maximumLeaves } from "../../mls/src/ratchetTree.ts";
import { add, authentication, newWorld, stateOf, testSuite, text } from "./world.ts";

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
