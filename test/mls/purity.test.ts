/** Nothing is mutated; what is consumed is really gone and nothing else (RFC 9420, section 9.2). */
import {
  createCommit,
  createMessage,
  createProposal,
  encodeEpoch,
  encodeRatchets,
  joinGroup,
  processMessage,
  encodeRatchetTree,
  type GroupState,
} from "@tacit/mls";
import { wipe } from "../../mls/src/bytes.ts";
import { secretsOf } from "../../mls/src/secretTree.ts";
import { lenientConfig } from "@tacit/mls";
import { add, authentication, commit, leafOf, newClient, newWorld, stateOf, testSuite, text } from "./world.ts";

function deepFreeze(value: unknown): void {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return;
  if (ArrayBuffer.isView(value)) return;
  Object.freeze(value);
  for (const each of value instanceof Map ? value.values() : Object.values(value)) deepFreeze(each);
}

/** Every byte of a state, as text. */
function snapshot(state: GroupState): string {
  return JSON.stringify({ epoch: state.epoch, ratchets: state.ratchets }, (_key, value: unknown) => {
    if (typeof value === "bigint") return String(value);
    if (value instanceof Map) return [...value].map(([key, each]) => [key as unknown, each as unknown]);
    return ArrayBuffer.isView(value)
      ? Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("hex")
      : value;
  });
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

test("no operation changes its arguments", async () => {
  const suite = testSuite();
  const world = await newWorld(suite);
  await add(world, "alice", ["bob", "carol", "dave"]);
  await commit(world, "carol");
  const [alice, bob] = [stateOf(world, "alice"), stateOf(world, "bob")];
  deepFreeze({ epoch: alice.epoch, ratchets: alice.ratchets });
  deepFreeze({ epoch: bob.epoch, ratchets: bob.ratchets });
  const before = [snapshot(alice), snapshot(bob)];
  const erin = await newClient(suite, "erin");
  deepFreeze(erin.keyPackage);
  const privateBefore = Object.values(erin.privateKeys).map(hex);

  const sent = await createMessage(alice, text("hello"));
  await processMessage(bob, sent.message, { authentication });
  const proposed = await createProposal(alice, { type: "update" }, { authentication });
  const pending = await processMessage(bob, proposed.message, { authentication });
  deepFreeze({ epoch: pending.state.epoch, ratchets: pending.state.ratchets });
  await createCommit(pending.state, { authentication });
  const created = await createCommit(alice, {
    authentication,
    proposals: [
      { type: "add", keyPackage: erin.keyPackage },
      { type: "remove", removed: leafOf(world, "dave") },
    ],
  });
  await processMessage(bob, created.commit, { authentication });
  await joinGroup({
    suite,
    welcome: created.welcomes[0]?.bytes as Uint8Array,
    keyPackage: erin.keyPackage,
    privateKeys: erin.privateKeys,
    ratchetTree: encodeRatchetTree(created.next),
    authentication,
  });
  expect([snapshot(alice), snapshot(bob)]).toEqual(before);
  expect(Object.values(erin.privateKeys).map(hex)).toEqual(privateBefore);
});

test.each([0x0001, 0xf0a2])("suite %i: wiping what was consumed harms nobody", async (id) => {
  const world = await newWorld(testSuite(id));
  await add(world, "alice", ["bob", "carol", "dave"]);
  for (const name of ["bob", "carol", "alice", "dave", "bob"]) {
    const created = await createCommit(stateOf(world, name), { authentication });
    wipe(...created.consumed);
    const others = [...world.states].filter(([other]) => other !== name);
    for (const [other, state] of others) {
      const received = await processMessage(state, created.commit, { authentication });
      const stored = [encodeEpoch(received.state), encodeRatchets(received.state)];
      wipe(...received.consumed);
      expect([encodeEpoch(received.state), encodeRatchets(received.state)]).toEqual(stored);
      world.states.set(other, received.state);
    }
    wipe(...created.consumedByNext);
    world.states.set(name, created.next);
    const sent = await createMessage(created.next, text("still here"));
    wipe(...sent.consumed);
    world.states.set(name, sent.state);
    for (const [other] of others) {
      const received = await processMessage(stateOf(world, other), sent.message, { authentication });
      wipe(...received.consumed.filter((bytes) => received.kind === "application" && bytes !== received.plaintext));
      world.states.set(other, received.state);
    }
  }
});

test("wiping harms neither the past epochs nor the messages that are late", async () => {
  const world = await newWorld(testSuite(), "alice", { config: lenientConfig });
  await add(world, "alice", ["bob", "carol"]);
  const late: Uint8Array[] = [];
  for (let round = 0; round < 3; round++) {
    const sent = await createMessage(stateOf(world, "carol"), text("late"));
    wipe(...sent.consumed);
    world.states.set("carol", sent.state);
    late.push(sent.message);
    // Alice has heard nobody in this epoch: her commit is what opens the secret tree.
    const created = await createCommit(stateOf(world, "alice"), { authentication });
    wipe(...created.consumed);
    for (const name of ["bob", "carol"]) {
      const received = await processMessage(stateOf(world, name), created.commit, { authentication });
      wipe(...received.consumed);
      world.states.set(name, received.state);
    }
    wipe(...created.consumedByNext);
    world.states.set("alice", created.next);
  }
  for (const message of late) {
    for (const name of ["alice", "bob"]) {
      const received = await processMessage(stateOf(world, name), message, { authentication });
      wipe(...received.consumed);
      world.states.set(name, received.state);
      expect(received.kind === "application" && Buffer.from(received.plaintext).toString()).toBe("late");
    }
  }
});

test("9.2: a message's secrets are not in the state after it", async () => {
  const world = await newWorld(testSuite());
  await add(world, "alice", ["bob", "carol"]);
  const sent = await createMessage(stateOf(world, "alice"), text("hello"));
  const bob = stateOf(world, "bob");
  const received = await processMessage(bob, sent.message, { authentication });
  const before = secretsOf(bob.ratchets.current).map(hex);
  const after = new Set(secretsOf(received.state.ratchets.current).map(hex));
  const consumed = new Set(received.consumed.map(hex));
  const gone = before.filter((secret) => !after.has(secret));
  expect(gone.length).toBeGreaterThan(0);
  for (const secret of gone) expect(consumed.has(secret)).toBe(true);
  for (const secret of consumed) expect(after.has(secret)).toBe(false);
  const stored = encodeRatchets(received.state)
    .map(({ bytes }) => hex(bytes as Uint8Array))
    .join();
  for (const secret of consumed) expect(stored).not.toContain(secret);
});

test("keys of blanked and replaced nodes, and the epoch's secrets, are gone after a commit", async () => {
  const world = await newWorld(testSuite());
  await add(world, "alice", ["bob", "carol", "dave", "erin"]);
  for (const name of ["bob", "carol", "dave"]) await commit(world, name);
  const bob = stateOf(world, "bob");
  const created = await createCommit(stateOf(world, "alice"), {
    authentication,
    proposals: [{ type: "remove", removed: leafOf(world, "carol") }],
  });
  const received = await processMessage(bob, created.commit, { authentication });
  const stored = hex(encodeEpoch(received.state));
  const consumed = new Set(received.consumed.map(hex));
  const replaced = [...bob.epoch.pathKeys].filter(([node]) => node % 2 === 1);
  expect(replaced.length).toBeGreaterThan(0);
  for (const [, key] of replaced) {
    expect(consumed.has(hex(key))).toBe(true);
    expect(stored).not.toContain(hex(key));
  }
  for (const secret of Object.values(bob.epoch.secrets)) {
    expect(consumed.has(hex(secret as Uint8Array))).toBe(true);
    expect(stored).not.toContain(hex(secret as Uint8Array));
  }
  for (const secret of secretsOf(bob.ratchets.current)) expect(consumed.has(hex(secret))).toBe(true);
  expect(received.state.epoch.pathKeys.has(2 * bob.epoch.ownLeafIndex)).toBe(true);
});

/** Processes a commit and shows that the keys of these nodes are in `consumed` and nowhere else. */
async function expectGone(state: GroupState, bytes: Uint8Array, nodes: readonly number[]): Promise<GroupState> {
  const received = await processMessage(state, bytes, { authentication });
  const stored = hex(encodeEpoch(received.state));
  const consumed = new Set(received.consumed.map(hex));
  for (const node of nodes) {
    const key = state.epoch.pathKeys.get(node);
    if (key === undefined) throw new Error(`no key of node ${node} to lose`);
    expect(consumed.has(hex(key))).toBe(true);
    expect(stored).not.toContain(hex(key));
    expect([...received.state.epoch.pathKeys.values()].map(hex)).not.toContain(hex(key));
  }
  return received.state;
}

test("9.2, 7.7: keys of nodes that a Remove blanks and no path fills again are gone", async () => {
  const world = await newWorld(testSuite());
  await add(world, "alice", ["bob", "carol", "dave", "erin", "frank", "gina", "hugo"]);
  for (const name of ["bob", "dave", "frank", "hugo"]) await commit(world, name);
  const [hugo, gina] = [stateOf(world, "hugo"), leafOf(world, "gina")];
  const created = await createCommit(stateOf(world, "alice"), {
    authentication,
    proposals: [{ type: "remove", removed: gina }],
  });
  // Of 13 (Gina and Hugo), 11 (their half) and 7 (the root), Alice's path fills the root alone.
  const after = await expectGone(hugo, created.commit, [13, 11, 7]);
  expect([...after.epoch.pathKeys.keys()].sort((a, b) => a - b)).toEqual([7, 14]);
  expect([after.epoch.tree.parents[6], after.epoch.tree.parents[5]]).toEqual([undefined, undefined]);
});

test("9.2, 7.7: keys of nodes that a smaller tree does not have are gone", async () => {
  const world = await newWorld(testSuite());
  await add(world, "alice", ["bob", "carol", "dave", "erin"]);
  for (const name of ["bob", "carol"]) await commit(world, name);
  const created = await createCommit(stateOf(world, "alice"), {
    authentication,
    proposals: [{ type: "remove", removed: leafOf(world, "erin") }],
  });
  const after = await expectGone(stateOf(world, "bob"), created.commit, [7]);
  expect(after.epoch.tree.leaves).toHaveLength(4);
  expect(after.epoch.pathKeys.has(7)).toBe(false);
});
