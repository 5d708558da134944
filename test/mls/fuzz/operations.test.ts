/** Mutated input to whole operations: it is refused with a typed error, and the state is what it was, to the byte. */
import fc from "fast-check";
import {
  encodeEpoch,
  encodeRatchets,
  joinExternally,
  joinGroup,
  MlsError,
  processMessage,
  validateKeyPackage,
  type GroupState,
} from "@tacit/mls";
import { decode, encode } from "../../../mls/src/codec.ts";
import type { Content } from "../../../mls/src/framing.ts";
import { readContent, writeContent } from "../../../mls/src/framing.ts";
import { decodeBareKeyPackage } from "../../../mls/src/generateKeyPackage.ts";
import { writeKeyPackage } from "../../../mls/src/keyPackage.ts";
import { decodeMlsMessage } from "../../../mls/src/mlsMessage.ts";
import { forgeCommit, send } from "../forge.ts";
import { add, authentication, commit, newWorld, stateOf, testSuite, text } from "../world.ts";
import { makeCorpus } from "./corpus.ts";
import { mutate, mutations } from "./mutations.ts";
import { memoryInUse, Watch } from "./watch.ts";

/** Everything that a state holds. */
function snapshot(state: GroupState): string {
  const { epoch, ratchets } = state;
  const plain = (_key: string, value: unknown): unknown => {
    if (typeof value === "bigint") return `${value}n`;
    if (value instanceof Map) return [...value];
    return value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value;
  };
  return JSON.stringify({ epoch, ratchets }, plain);
}

const numRuns = 500;

test.each([0x0001, 0xf0a2])(
  "processMessage in suite %i leaves the state as it was",
  async (suiteId) => {
    const corpus = await makeCorpus(suiteId);
    const { receiver } = corpus;
    const all = [...corpus.messages, ...corpus.added.welcomes.map(({ bytes }) => bytes), corpus.groupInfo];
    const before = snapshot(receiver);
    const stored = [encodeEpoch(receiver), encodeRatchets(receiver)];
    const memory = memoryInUse();
    const watch = new Watch();
    const property = fc.asyncProperty(fc.nat(corpus.messages.length - 1), mutations, async (which, how) => {
      const original = corpus.messages[which] as Uint8Array;
      const mutated = mutate(original, how, all);
      const read = await watch.run(() => processMessage(receiver, mutated, { authentication }));
      // What is accepted is a message of the corpus after all: every byte is authenticated.
      if (read !== undefined && !all.some((each) => Buffer.from(each).equals(mutated))) {
        throw new Error(`accepted: ${Buffer.from(mutated).toString("hex")}`);
      }
      if (snapshot(receiver) !== before) throw new Error(`changed by ${Buffer.from(mutated).toString("hex")}`);
    });
    await fc.assert(property, { numRuns: suiteId === 0x0001 ? numRuns : numRuns / 5, seed: suiteId });
    expect([encodeEpoch(receiver), encodeRatchets(receiver)]).toEqual(stored);
    expect(watch.refused).toBeGreaterThan(watch.accepted);
    expect(watch.codes.size).toBeGreaterThan(1);
    expect(memoryInUse() - memory).toBeLessThan(32 * 2 ** 20);
  },
  120_000,
);

/** Behind signature, tag and encryption: a member of the group mutates what it says before it signs. */
test("contents of a malicious member, mutated before they are signed", async () => {
  const suite = testSuite(0x0001, "inside");
  const world = await newWorld(suite);
  await add(world, "alice", ["bob", "carol", "dave"]);
  await commit(world, "carol");
  const attacker = stateOf(world, "dave");
  const receiver = stateOf(world, "bob");
  const { tree } = receiver.epoch;
  const carol = stateOf(world, "carol").epoch.ownLeafIndex;
  const corpus = await makeCorpus();
  const honest = await Promise.all([
    forgeCommit(attacker, { wireFormat: "publicMessage" }),
    forgeCommit(attacker, {
      wireFormat: "publicMessage",
      list: [
        { proposal: { type: "remove", removed: carol } },
        { proposal: { type: "add", keyPackage: corpus.joiner.keyPackage } },
        { proposal: { type: "groupContextExtensions", extensions: [] } },
      ],
    }),
  ]);
  const contents = [...honest, ...corpus.messages].flatMap((bytes) => {
    const message = decodeMlsMessage(bytes);
    return message.wireFormat === "publicMessage" ? [message.publicMessage.framed.content] : [];
  });
  const encoded = contents.map((content) => encode(writeContent, content));
  const before = snapshot(receiver);
  const watch = new Watch();
  let sent = 0;
  const property = fc.asyncProperty(
    fc.nat(contents.length - 1),
    mutations,
    fc.constantFrom("publicMessage", "privateMessage"),
    async (which, how, wireFormat) => {
      const { contentType } = contents[which] as Content;
      let content: Content;
      try {
        content = decode(
          (reader) => readContent(reader, contentType),
          mutate(encoded[which] as Uint8Array, how, encoded),
        );
      } catch (error) {
        if (error instanceof MlsError) return;
        throw error;
      }
      sent++;
      const tag = suite.random(32);
      const complete = (_framed: unknown, signature: Uint8Array) =>
        contentType === "commit" ? { signature, confirmationTag: tag } : { signature };
      const message = await send(attacker, content, { wireFormat }, complete);
      const read = await watch.run(() => processMessage(receiver, message, { authentication }));
      if (read?.kind === "commit" && !read.removed) throw new Error("a commit with a random tag is accepted");
      if (snapshot(receiver) !== before) throw new Error(`changed by ${Buffer.from(message).toString("hex")}`);
    },
  );
  await fc.assert(property, { numRuns: 4 * numRuns, seed: 6 });
  expect(tree.leaves.length).toBe(4);
  expect(sent).toBeGreaterThan(numRuns / 4);
  expect(watch.codes.size).toBeGreaterThanOrEqual(5);
}, 120_000);

test("joinGroup: a mutated Welcome or ratchet tree is refused, and the key package can still be used", async () => {
  const { added, joiner, messages, ratchetTree } = await makeCorpus();
  const { suite } = added.next;
  const [welcome] = added.welcomes.map(({ bytes }) => bytes) as [Uint8Array];
  const join = (bytes: Uint8Array, tree: Uint8Array) =>
    joinGroup({
      suite,
      welcome: bytes,
      ratchetTree: tree,
      keyPackage: joiner.keyPackage,
      privateKeys: joiner.privateKeys,
      authentication,
    });
  const keys = Object.values(joiner.privateKeys as unknown as Record<string, Uint8Array>);
  const held = keys.map((key) => Buffer.from(key).toString("hex"));
  const watch = new Watch();
  const property = fc.asyncProperty(mutations, fc.boolean(), async (how, mutateTree) => {
    const bytes = mutateTree ? welcome : mutate(welcome, how, [...messages, welcome]);
    const joined = await watch.run(() => join(bytes, mutateTree ? mutate(ratchetTree, how, messages) : ratchetTree));
    if (joined === undefined) return;
    // The tree in the Welcome counts; the one beside it is not looked at.
    if (!mutateTree && !Buffer.from(bytes).equals(welcome)) throw new Error("a mutated Welcome is accepted");
  });
  await fc.assert(property, { numRuns, seed: 12 });
  expect(watch.refused).toBeGreaterThan(numRuns / 4);
  expect(keys.map((key) => Buffer.from(key).toString("hex"))).toEqual(held);
  await join(welcome, ratchetTree);
}, 120_000);

test("joinExternally: a mutated GroupInfo is refused", async () => {
  const { groupInfo, messages, receiver } = await makeCorpus();
  const { suite } = receiver;
  const signatureKeyPair = await suite.generateSignatureKeyPair();
  const join = (bytes: Uint8Array) =>
    joinExternally({
      suite,
      groupInfo: bytes,
      credential: { type: "basic", identity: text("ivan") },
      signatureKeyPair,
      authentication,
    });
  await join(groupInfo);
  const watch = new Watch();
  const property = fc.asyncProperty(mutations, async (how) => {
    const mutated = mutate(groupInfo, how, messages);
    const joined = await watch.run(() => join(mutated));
    if (joined !== undefined && !Buffer.from(mutated).equals(groupInfo)) throw new Error("accepted");
  });
  await fc.assert(property, { numRuns, seed: 13 });
  expect(watch.refused).toBeGreaterThan(numRuns / 2);
}, 120_000);

test("validateKeyPackage: a mutated key package is refused", async () => {
  const { joiner, messages, receiver } = await makeCorpus();
  const { suite } = receiver;
  const bytes = encode(writeKeyPackage, joiner.keyPackage);
  const watch = new Watch();
  const property = fc.asyncProperty(mutations, async (how) => {
    const mutated = mutate(bytes, how, messages);
    const valid = await watch.run(async () => {
      await validateKeyPackage(decodeBareKeyPackage(mutated), { suite, authentication });
      return true;
    });
    if (valid === true && !Buffer.from(mutated).equals(bytes)) throw new Error("accepted");
  });
  await fc.assert(property, { numRuns, seed: 14 });
  expect(watch.refused).toBeGreaterThan(numRuns / 2);
}, 120_000);
