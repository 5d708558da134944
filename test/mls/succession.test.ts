/** Groups that follow another: RFC 9420, sections 8.4, 8.6, 11.2 and 11.3. */
import {
  branch,
  createCommit,
  createMessage,
  createProposal,
  encodeRatchetTree,
  epochAuthenticator,
  joinGroup,
  processMessage,
  reinitProposal,
  reinitialize,
  resumptionPsk,
  type CreatedCommit,
  type GroupState,
  type JoinGroupOptions,
} from "@tacit/mls";
import { createGroup } from "@tacit/mls";
import { commitWith } from "../../mls/src/createCommit.ts";
import {
  add,
  authentication,
  commit,
  expectAgreement,
  leafOf,
  newClient,
  newWorld,
  stateOf,
  testSuite,
  text,
  type Client,
  type World,
} from "./world.ts";

const suite = testSuite();
const nextSuite = testSuite(3);

async function follow(created: CreatedCommit, client: Client, options: Partial<JoinGroupOptions>): Promise<GroupState> {
  const joined = await joinGroup({
    suite: created.next.suite,
    welcome: created.welcomes[0]?.bytes as Uint8Array,
    keyPackage: client.keyPackage,
    privateKeys: client.privateKeys,
    ratchetTree: encodeRatchetTree(created.next),
    authentication,
    ...options,
  });
  return joined.state;
}

describe("section 11.2: reinitialisation", () => {
  let world: World;
  let alice: Client;
  let bob: Client;
  const agreed = reinitProposal(text("the next group"), 3, [{ extensionType: 1, data: text("x") }]);

  beforeEach(async () => {
    world = await newWorld(suite);
    await add(world, "alice", ["bob"]);
    const made = await commit(world, "bob", { proposals: [agreed], forcePath: false });
    expect(made.summary.reinit).toEqual(agreed);
    alice = await newClient(nextSuite, "alice");
    bob = await newClient(nextSuite, "bob");
  });

  const start = (previous: GroupState, members = [bob]) =>
    reinitialize(previous, {
      suite: nextSuite,
      keyPackage: alice.keyPackage,
      privateKeys: alice.privateKeys,
      authentication,
      members: members.map(({ keyPackage }) => keyPackage),
    });

  test("closes the old group for sending, and leads to the group that was agreed", async () => {
    await expect(createMessage(stateOf(world, "alice"), text("too late"))).rejects.toMatchObject({
      code: "invalid_argument",
    });
    await expect(createCommit(stateOf(world, "alice"), { authentication })).rejects.toMatchObject({
      code: "invalid_argument",
    });
    const created = await start(stateOf(world, "alice"));
    const joined = await follow(created, bob, { predecessor: stateOf(world, "bob") });
    expect(epochAuthenticator(joined)).toEqual(epochAuthenticator(created.next));
    expect(joined.epoch.groupContext).toMatchObject({ groupId: agreed.groupId, cipherSuite: 3, epoch: 1n });
  });

  test("a Welcome of it needs the old group, in the epoch of the ReInit", async () => {
    const created = await start(stateOf(world, "alice"));
    await expect(follow(created, bob, {})).rejects.toMatchObject({ code: "psk_missing", everyone: false });
    const other = await newWorld(suite);
    await expect(follow(created, bob, { predecessor: stateOf(other, "alice") })).rejects.toMatchObject({
      code: "psk_missing",
    });
  });

  test("a group that is not what was agreed is refused", async () => {
    const previous = stateOf(world, "alice");
    for (const change of [
      { groupId: text("another") },
      { extensions: [] },
      { extensions: [{ extensionType: 1, data: text("y") }] },
    ]) {
      const lied: GroupState = { ...previous, epoch: { ...previous.epoch, reinit: { ...agreed, ...change } } };
      const created = await start(lied);
      await expect(follow(created, bob, { predecessor: stateOf(world, "bob") })).rejects.toMatchObject({
        code: "predecessor_mismatch",
      });
    }
    const created = await start(previous);
    const bobs = stateOf(world, "bob");
    const { reinit: _none, ...withoutReinit } = bobs.epoch;
    await expect(follow(created, bob, { predecessor: { ...bobs, epoch: withoutReinit } })).rejects.toMatchObject({
      code: "predecessor_mismatch",
    });
    const elsewhere: GroupState = {
      ...bobs,
      epoch: { ...bobs.epoch, reinit: { ...agreed, cipherSuite: 2 } },
    };
    await expect(follow(created, bob, { predecessor: elsewhere })).rejects.toMatchObject({
      code: "predecessor_mismatch",
    });
  });

  test("nobody may be left out, by its creator or unseen", async () => {
    await expect(start(stateOf(world, "alice"), [])).rejects.toMatchObject({ code: "invalid_argument" });
    const wider = await newWorld(suite);
    await add(wider, "alice", ["bob", "carol"]);
    await commit(wider, "bob", { proposals: [agreed] });
    const previous = stateOf(wider, "alice");
    const blind = { ...authentication, identity: () => "everyone" };
    const group = await createGroup({
      suite: nextSuite,
      groupId: agreed.groupId,
      extensions: agreed.extensions,
      keyPackage: alice.keyPackage,
      privateKeys: alice.privateKeys,
      authentication: blind,
    });
    const { groupId, epoch } = previous.epoch.groupContext;
    const id = { type: "resumption", usage: "reinit", groupId, epoch, nonce: nextSuite.random(32) } as const;
    const created = await commitWith(
      group,
      {
        authentication,
        proposals: [
          { type: "psk", id },
          { type: "add", keyPackage: bob.keyPackage },
        ],
        psks: () => resumptionPsk(previous),
      },
      "reinit",
    );
    await expect(follow(created, bob, { predecessor: stateOf(wider, "bob") })).rejects.toMatchObject({
      code: "predecessor_mismatch",
    });
  });

  test("cannot be started without a ReInit, or in another suite", async () => {
    const plain = await newWorld(suite);
    await expect(start(stateOf(plain, "alice"))).rejects.toMatchObject({ code: "invalid_argument" });
    const elsewhere = reinitialize(stateOf(world, "alice"), {
      suite,
      keyPackage: alice.keyPackage,
      privateKeys: alice.privateKeys,
      authentication,
      members: [bob.keyPackage],
    });
    await expect(elsewhere).rejects.toMatchObject({ code: "invalid_argument" });
  });

  test("12.4.2: further commits and proposals in the old group are refused", async () => {
    const frozen = stateOf(world, "alice");
    const { reinit: _gone, ...open } = frozen.epoch;
    const { commit: bytes } = await createCommit({ ...frozen, epoch: open }, { authentication });
    await expect(processMessage(stateOf(world, "bob"), bytes, { authentication })).rejects.toMatchObject({
      code: "group_reinitialized",
      everyone: true,
    });
    const proposing = await createProposal({ ...frozen, epoch: open }, { type: "update" }, { authentication });
    await expect(processMessage(stateOf(world, "bob"), proposing.message, { authentication })).rejects.toMatchObject({
      code: "group_reinitialized",
      everyone: true,
    });
  });
});

describe("section 11.3: branches", () => {
  let world: World;
  let alice: Client;
  let bob: Client;

  beforeEach(async () => {
    world = await newWorld(suite);
    await add(world, "alice", ["bob", "carol"]);
    alice = await newClient(suite, "alice");
    bob = await newClient(suite, "bob");
  });

  const start = (members: readonly Client[] = [bob], hook = authentication) =>
    branch(stateOf(world, "alice"), {
      groupId: text("branch"),
      keyPackage: alice.keyPackage,
      privateKeys: alice.privateKeys,
      authentication: hook,
      members: members.map(({ keyPackage }) => keyPackage),
    });

  test("some members form a group of their own", async () => {
    const created = await start();
    const joined = await follow(created, bob, { predecessor: stateOf(world, "bob") });
    expect(epochAuthenticator(joined)).toEqual(epochAuthenticator(created.next));
    await expect(follow(created, bob, {})).rejects.toMatchObject({ code: "psk_missing" });
  });

  test("strangers are refused, by its creator and by its members", async () => {
    const zoe = await newClient(suite, "zoe");
    await expect(start([bob, zoe])).rejects.toMatchObject({ code: "invalid_argument" });
    // Zoe pretends to her accomplice to be Carol; Bob's application knows better.
    const decoder = new TextDecoder();
    const lenient = {
      ...authentication,
      identity: (credential: { readonly type: string; readonly identity?: Uint8Array }) =>
        decoder.decode(credential.identity).replace("zoe", "carol"),
    };
    const created = await start([bob, zoe], lenient);
    await expect(follow(created, bob, { predecessor: stateOf(world, "bob") })).rejects.toMatchObject({
      code: "predecessor_mismatch",
    });
  });

  test("in another suite, or in a later epoch, they are refused", async () => {
    const previous = stateOf(world, "alice");
    const { groupId, epoch } = previous.epoch.groupContext;
    for (const [other, late] of [
      [nextSuite, false],
      [suite, true],
    ] as const) {
      const [creator, joiner] = [await newClient(other, "alice"), await newClient(other, "bob")];
      const { keyPackage, privateKeys } = creator;
      let group = await createGroup({ suite: other, groupId: text("branch"), keyPackage, privateKeys, authentication });
      if (late) group = (await createCommit(group, { authentication })).next;
      const id = { type: "resumption", usage: "branch", groupId, epoch, nonce: other.random(32) } as const;
      const proposals = [
        { type: "psk", id },
        { type: "add", keyPackage: joiner.keyPackage },
      ] as const;
      const psks = () => resumptionPsk(previous);
      const created = await commitWith(group, { authentication, proposals, psks }, "branch");
      await expect(follow(created, joiner, { predecessor: stateOf(world, "bob") })).rejects.toMatchObject({
        code: "predecessor_mismatch",
      });
    }
  });

  test("12.1.4: PSKs of a branch are of no use inside the group", async () => {
    const { groupId, epoch } = stateOf(world, "alice").epoch.groupContext;
    const id = { type: "resumption", usage: "branch", groupId, epoch, nonce: suite.random(32) } as const;
    await expect(
      createCommit(stateOf(world, "alice"), { authentication, proposals: [{ type: "psk", id }] }),
    ).rejects.toMatchObject({ code: "psk_invalid" });
  });
});

test("section 8.6: resumption PSKs of earlier epochs, as many as are kept", async () => {
  const world = await newWorld(suite, "alice", {
    config: { skippedKeys: 0, forwardLimit: 1000, pastEpochs: 0, resumptionPsks: 1 },
  });
  await add(world, "alice", ["bob"]);
  const { groupId } = stateOf(world, "alice").epoch.groupContext;
  await commit(world, "alice");
  await commit(world, "bob");
  const idOf = (epoch: bigint) =>
    ({ type: "resumption", usage: "application", groupId, epoch, nonce: suite.random(32) }) as const;
  await expect(
    createCommit(stateOf(world, "alice"), { authentication, proposals: [{ type: "psk", id: idOf(1n) }] }),
  ).rejects.toMatchObject({ code: "psk_missing", everyone: false });
  await commit(world, "alice", { proposals: [{ type: "psk", id: idOf(2n) }], forcePath: false });
  expectAgreement(world);
  await commit(world, "bob", { proposals: [{ type: "psk", id: idOf(4n) }], forcePath: false });
  expectAgreement(world);
  expect(leafOf(world, "bob")).toBe(1);
});
