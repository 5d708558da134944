/** A group's life, told in every suite: who is in reads, who is out does not. */
import {
  createCommit,
  createMessage,
  createProposal,
  exportSecret,
  getCipherSuite,
  MlsError,
  processMessage,
} from "@tacit/mls";
import { nobleProvider } from "@tacit/mls/providers/noble";
import { nodeProvider } from "@tacit/mls/providers/node";
import { webcryptoProvider } from "@tacit/mls/providers/webcrypto";
import {
  add,
  authentication,
  commit,
  expectAgreement,
  leafOf,
  newClient,
  newWorld,
  join,
  show,
  stateOf,
  suiteIds,
  testSuite,
  text,
  type World,
} from "./world.ts";

async function send(world: World, from: string, message: string): Promise<Map<string, string>> {
  const sent = await createMessage(stateOf(world, from), text(message), { authenticatedData: text("ad"), padding: 13 });
  world.states.set(from, sent.state);
  const heard = new Map<string, string>();
  for (const [name, state] of [...world.states]) {
    if (name === from) continue;
    const received = await processMessage(state, sent.message, { authentication });
    if (received.kind !== "application") throw new Error("expected application data");
    expect(received.senderLeaf).toBe(leafOf(world, from));
    expect(received.authenticatedData).toEqual(text("ad"));
    world.states.set(name, received.state);
    heard.set(name, show(received.plaintext));
  }
  return heard;
}

describe.each(suiteIds)("suite %i", (id) => {
  const suite = testSuite(id);

  test("Alice and Bob talk, and a third joins, updates and leaves", async () => {
    const world = await newWorld(suite);
    await add(world, "alice", ["bob"]);
    expectAgreement(world);
    expect([...(await send(world, "alice", "hello"))]).toEqual([["bob", "hello"]]);
    expect([...(await send(world, "bob", "hi"))]).toEqual([["alice", "hi"]]);

    await add(world, "bob", ["carol", "dave"]);
    expectAgreement(world);
    expect((await send(world, "carol", "good day")).size).toBe(3);

    await commit(world, "dave");
    await commit(world, "carol");
    expectAgreement(world);
    await commit(world, "alice", { proposals: [{ type: "remove", removed: leafOf(world, "bob") }] });
    expect(world.states.has("bob")).toBe(false);
    expectAgreement(world);
    expect((await send(world, "dave", "who is left?")).size).toBe(2);
    expect(exportSecret(stateOf(world, "alice"), "label", text("context"), 20)).toEqual(
      exportSecret(stateOf(world, "carol"), "label", text("context"), 20),
    );
  });

  test("proposals by reference: update with a new signature key, add and remove", async () => {
    const world = await newWorld(suite);
    await add(world, "alice", ["bob", "carol", "dave"]);
    const erin = await newClient(suite, "erin");
    const signatureKeyPair = await suite.generateSignatureKeyPair();
    const proposals = [
      ["bob", { type: "update", leaf: { signatureKeyPair } }],
      ["carol", { type: "add", keyPackage: erin.keyPackage }],
      ["carol", { type: "remove", removed: leafOf(world, "dave") }],
    ] as const;
    for (const [from, proposal] of proposals) {
      const created = await createProposal(stateOf(world, from), proposal, { authentication });
      for (const [name, state] of [...world.states]) {
        if (name === from) continue;
        const received = await processMessage(state, created.message, { authentication });
        expect(received.kind === "proposal" && received.ref).toEqual(created.ref);
        world.states.set(name, received.state);
      }
      world.states.set(from, created.state);
    }
    const created = await commit(world, "alice");
    await join(world, erin, created);
    expect(created.summary.added).toHaveLength(1);
    expect(created.summary.removed).toHaveLength(1);
    expect(created.summary.updated).toHaveLength(2);
    expect([...world.states.keys()].sort()).toEqual(["alice", "bob", "carol", "erin"]);
    expectAgreement(world);
    expect((await send(world, "bob", "with my new key")).size).toBe(3);
    await commit(world, "bob");
    await commit(world, "erin");
    expectAgreement(world);
  });

  test("a removed member can neither read nor follow", async () => {
    const world = await newWorld(suite);
    await add(world, "alice", ["bob", "carol", "dave", "erin"]);
    await commit(world, "erin");
    const { commit: bytes, removed } = await commit(world, "carol", {
      proposals: [{ type: "remove", removed: leafOf(world, "bob") }],
    });
    const bob = removed.get("bob");
    if (bob === undefined) throw new Error("bob is still in");
    const outcome = await processMessage(bob, bytes, { authentication });
    expect(outcome.kind === "commit" && outcome.removed).toBe(true);
    const next = await createCommit(stateOf(world, "alice"), { authentication });
    await expect(processMessage(bob, next.commit, { authentication })).rejects.toThrow(MlsError);
  });
});

test.each(suiteIds)("suite %i: members on three platforms understand each other", async (id) => {
  const world = await newWorld(testSuite(id));
  const platforms = { bob: webcryptoProvider(), carol: nobleProvider(), dave: nodeProvider() };
  for (const [name, provider] of Object.entries(platforms)) {
    const suite = getCipherSuite(id, provider);
    const client = await newClient(suite, name);
    const created = await commit(world, "alice", { proposals: [{ type: "add", keyPackage: client.keyPackage }] });
    const state = await join({ ...world, suite }, client, created);
    expect(state.suite).toBe(suite);
  }
  for (const name of ["bob", "carol", "dave"]) {
    await commit(world, name);
    expectAgreement(world);
    expect((await send(world, name, "from another platform")).size).toBe(3);
  }
});
