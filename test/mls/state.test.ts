/** The stored state: two parts, small changes, and the same group after a restart. */
import fc from "fast-check";
import {
  createMessage,
  decodeState,
  encodeEpoch,
  encodeRatchets,
  lenientConfig,
  processMessage,
  type GroupState,
} from "@tacit/mls";
import { add, authentication, commit, expectAgreement, newWorld, stateOf, testSuite, text } from "./world.ts";

/** A store of one group: the epoch's bytes, and the chunks by key. */
class StoredGroup {
  epoch = new Uint8Array(0);
  readonly chunks = new Map<string, Uint8Array>();
  #last: GroupState | undefined;

  /** Returns the bytes written for ratchets. */
  save(state: GroupState): number {
    let written = 0;
    for (const { key, bytes } of encodeRatchets(state, this.#last)) {
      if (bytes === undefined) {
        expect(this.chunks.delete(key)).toBe(true);
      } else {
        this.chunks.set(key, bytes);
        written += bytes.length;
      }
    }
    if (this.#last?.epoch !== state.epoch) this.epoch = new Uint8Array(encodeEpoch(state));
    this.#last = state;
    return written;
  }

  load(state: GroupState): GroupState {
    return decodeState(state.suite, this.epoch, this.chunks);
  }
}

function expectSameState(a: GroupState, b: GroupState): void {
  const stored = (state: GroupState): string =>
    [
      Buffer.from(encodeEpoch(state)).toString("base64"),
      ...encodeRatchets(state).map(({ key, bytes }) => `${key} ${Buffer.from(bytes as Uint8Array).toString("base64")}`),
      ...state.epoch.tree.hashes.map((hash) => Buffer.from(hash as Uint8Array).toString("base64")),
    ].join("\n");
  expect(stored(a)).toBe(stored(b));
}

test.each([0x0001, 0xf0a2])("suite %i: a member restarted from its store goes on", async (id) => {
  const world = await newWorld(testSuite(id), "alice", { config: lenientConfig });
  await add(world, "alice", ["bob", "carol", "dave", "erin"]);
  const store = new StoredGroup();
  store.save(stateOf(world, "bob"));
  for (let round = 0; round < 6; round++) {
    for (const sender of ["alice", "carol", "bob"]) {
      const sent = await createMessage(stateOf(world, sender), text("again"));
      world.states.set(sender, sent.state);
      for (const [name, state] of [...world.states]) {
        if (name === sender) continue;
        world.states.set(name, (await processMessage(state, sent.message, { authentication })).state);
      }
      store.save(stateOf(world, "bob"));
      const restored = store.load(stateOf(world, "bob"));
      expectSameState(restored, stateOf(world, "bob"));
      world.states.set("bob", restored);
      store.save(restored);
    }
    await commit(world, ["bob", "dave", "erin"][round % 3] as string);
    expectAgreement(world);
    store.save(stateOf(world, "bob"));
    expectSameState(store.load(stateOf(world, "bob")), stateOf(world, "bob"));
  }
});

test("what a message writes stays below 2 KB at 1,000 members, and all of it decodes", async () => {
  const suite = testSuite(0xf0a2);
  const { createSecretTree, takeKey } = await import("../../mls/src/secretTree.ts");
  const { decodeSecretTree, encodeSecretTree } = await import("../../mls/src/ratchetEncoding.ts");
  const { strictConfig } = await import("@tacit/mls");
  for (const leafCount of [1, 2, 8, 16, 1024, 8192]) {
    let tree = createSecretTree(suite.random(48), leafCount);
    const stored = new Map<number, Uint8Array>();
    encodeSecretTree(tree, undefined, (index, bytes) => bytes && stored.set(index, bytes));
    let most = 0;
    let seed = 7;
    for (let step = 0; step < 600; step++) {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      const type = step % 5 === 0 ? "handshake" : "application";
      const next = takeKey(suite, tree, seed % leafCount, type, undefined, strictConfig).tree;
      let written = 0;
      encodeSecretTree(next, tree, (index, bytes) => {
        if (bytes === undefined) stored.delete(index);
        else stored.set(index, bytes);
        written += bytes?.length ?? 0;
      });
      most = Math.max(most, written);
      tree = next;
    }
    expect(most).toBeLessThanOrEqual(2048);
    expect(decodeSecretTree(leafCount, stored.values())).toEqual(tree);
  }
});

test("damaged state is a typed refusal", async () => {
  const world = await newWorld(testSuite());
  await add(world, "alice", ["bob", "carol"]);
  const state = stateOf(world, "alice");
  const epoch = encodeEpoch(state);
  const chunks = encodeRatchets(state).map(({ key, bytes }) => [key, bytes as Uint8Array] as const);
  expect(() => decodeState(state.suite, epoch, [])).toThrow(expect.objectContaining({ code: "decode_failed" }));
  expect(() => decodeState(testSuite(2), epoch, chunks)).toThrow(expect.objectContaining({ code: "decode_failed" }));
  fc.assert(
    fc.property(fc.nat(epoch.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const damaged = epoch.slice();
      damaged[at] = (damaged[at] as number) ^ flip;
      try {
        decodeState(state.suite, damaged, chunks);
      } catch (error) {
        expect(error).toMatchObject({
          name: "MlsError",
          code: expect.stringMatching(/decode_failed|unsupported_proposal/),
        });
      }
    }),
    { numRuns: 500, seed: 1 },
  );
});

test("chunks of one state can be turned into those of any other", async () => {
  const suite = testSuite();
  const { createSecretTree, takeKey } = await import("../../mls/src/secretTree.ts");
  const { decodeSecretTree, encodeSecretTree } = await import("../../mls/src/ratchetEncoding.ts");
  const { strictConfig } = await import("@tacit/mls");
  const lived = (leafCount: number, leaves: readonly number[]) =>
    leaves.reduce(
      (tree, leaf) => takeKey(suite, tree, leaf, "application", undefined, strictConfig).tree,
      createSecretTree(suite.random(32), leafCount),
    );
  const trees = [lived(64, [0, 9, 63]), lived(64, []), lived(16, [3]), lived(64, [40]), lived(1, [0]), lived(16, [])];
  const stored = new Map<number, Uint8Array>();
  let last: (typeof trees)[number] | undefined;
  for (const tree of [...trees, ...trees.toReversed()]) {
    encodeSecretTree(tree, last, (index, bytes) => {
      if (bytes === undefined) stored.delete(index);
      else stored.set(index, bytes);
    });
    expect(decodeSecretTree(tree.leafCount, stored.values())).toEqual(tree);
    last = tree;
  }
});
