/** Encodings: RFC 9420, sections 2.1, 4, 7.7 and 13, and decoders under fire. */
import fc from "fast-check";
import {
  createCommit,
  createGroupInfo,
  createMessage,
  createProposal,
  decodeKeyPackage,
  decodeKeyPackagePrivate,
  encodeKeyPackagePrivate,
  encodeRatchetTree,
  inspectMessage,
  MlsError,
} from "@tacit/mls";
import { Reader, Writer, decode, encode } from "../../mls/src/codec.ts";
import { decodeMlsMessage, encodeMlsMessage } from "../../mls/src/mlsMessage.ts";
import { addLeaf, decodeTree, draftOf, freeLeaf, replaceLeaf, truncate } from "../../mls/src/ratchetTree.ts";
import { commonAncestor, covers, directPath, firstLeaf, lastLeaf, level, parentOf } from "../../mls/src/treeMath.ts";
import { readExtensions, writeExtensions } from "../../mls/src/extension.ts";
import { readCredential, writeCredential } from "../../mls/src/credential.ts";
import { add, authentication, commit, leafOf, newClient, newWorld, stateOf, testSuite, text } from "./world.ts";

const decodeError = expect.objectContaining({ code: "decode_failed", everyone: true });

describe("section 2.1.2: lengths of vectors", () => {
  test("round trip, in the fewest bytes", () => {
    fc.assert(
      fc.property(fc.nat(0x3fffffff), (length) => {
        const bytes = encode((writer: Writer, value: number) => writer.length(value), length);
        expect(bytes).toHaveLength(length < 64 ? 1 : length < 16384 ? 2 : 4);
        expect(new Reader(bytes).length()).toBe(length);
      }),
    );
    expect(() => new Writer().length(0x40000000)).toThrow(MlsError);
  });

  test.each([
    "4000",
    "403f",
    "80000000",
    "8000003f",
    "80003fff",
    "c0",
    "c000000000000000",
    "c0008000",
    "40",
    "800040",
    "",
  ])("%s is refused", (text_) => {
    expect(() => new Reader(new Uint8Array(Buffer.from(text_, "hex"))).length()).toThrow(decodeError);
  });

  test("a vector longer than its input allocates nothing", () => {
    expect(() => new Reader(Uint8Array.of(0xbf, 0xff, 0xff, 0xff)).opaque()).toThrow(decodeError);
  });
});

test("section 2.1.1: an optional value is present or absent", () => {
  const read = (reader: Reader) => reader.optional((item) => item.uint8());
  expect(decode(read, Uint8Array.of(0))).toBeUndefined();
  expect(decode(read, Uint8Array.of(1, 7))).toBe(7);
  expect(() => decode(read, Uint8Array.of(2, 7))).toThrow(decodeError);
  expect(() => decode(read, Uint8Array.of(1, 7, 0))).toThrow(decodeError);
});

test("section 13.4: an extension type occurs once", () => {
  const extension = { extensionType: 9, data: text("x") };
  expect(decode(readExtensions, encode(writeExtensions, [extension]))).toEqual([extension]);
  expect(() => decode(readExtensions, encode(writeExtensions, [extension, extension]))).toThrow(decodeError);
});

test("section 5.3: credentials of all types", () => {
  for (const credential of [
    { type: "basic", identity: text("alice") },
    { type: "x509", certificates: [text("leaf"), text("root")] },
    { type: "other", credentialType: 0xf0f0, data: text("x") },
  ] as const) {
    expect(decode(readCredential, encode(writeCredential, credential))).toEqual(credential);
  }
  expect(() => decode(readCredential, Uint8Array.of(0, 0, 0))).toThrow(decodeError);
});

test("section 10: the private part of a key package as stored", async () => {
  const { privateKeys } = await newClient(testSuite(), "alice");
  const bytes = encodeKeyPackagePrivate(privateKeys);
  expect(decodeKeyPackagePrivate(bytes)).toEqual(privateKeys);
  expect(() => decodeKeyPackagePrivate(bytes.subarray(1))).toThrow(decodeError);
  expect(() => decodeKeyPackagePrivate(Uint8Array.of(2, ...bytes.subarray(1)))).toThrow(decodeError);
});

test("appendix C: the tree's relations agree with each other", () => {
  for (const leafCount of [1, 2, 4, 8, 64]) {
    for (let leaf = 0; leaf < leafCount; leaf++) {
      const path = directPath(2 * leaf, leafCount);
      expect(path).toHaveLength(Math.log2(leafCount));
      for (const node of path) {
        expect(covers(node, leaf)).toBe(true);
        expect(firstLeaf(node) <= leaf && leaf <= lastLeaf(node)).toBe(true);
        expect(lastLeaf(node) - firstLeaf(node) + 1).toBe(2 ** level(node));
      }
      for (let other = 0; other < leafCount; other++) {
        const ancestor = commonAncestor(leaf, other);
        const otherPath = [2 * other, ...directPath(2 * other, leafCount)];
        expect([2 * leaf, ...path].find((node) => otherPath.includes(node))).toBe(ancestor);
      }
    }
  }
  expect(parentOf(0)).toBe(1);
});

test("section 7.7: the tree grows by doubling, and shrinks when its right half is empty", async () => {
  const leaf = (await newClient(testSuite(), "alice")).keyPackage.leafNode;
  const draft = draftOf({ leaves: [leaf], parents: [], hashes: [undefined] });
  for (let count = 1; count < 9; count++) {
    const index = freeLeaf(draft);
    expect(index).toBe(count);
    addLeaf(draft, index, leaf);
  }
  expect([draft.leaves.length, draft.parents.length, draft.hashes.length]).toEqual([16, 15, 31]);
  const removeAll = (...indices: number[]) => {
    for (const index of indices) replaceLeaf(draft, index, undefined);
    truncate(draft);
    return draft.leaves.length;
  };
  expect(removeAll(3, 4)).toBe(16);
  expect(freeLeaf(draft)).toBe(3);
  expect(removeAll(8)).toBe(8);
  expect([draft.parents.length, draft.hashes.length]).toEqual([7, 15]);
  expect(removeAll(5, 7)).toBe(8);
  expect(removeAll(6)).toBe(4);
  expect(removeAll(1, 2)).toBe(1);
  expect([draft.parents.length, draft.hashes.length]).toEqual([0, 1]);
});

test("section 7.7 in a group: after the last members leave, the others' tree is small again", async () => {
  const world = await newWorld(testSuite());
  await add(world, "alice", ["bob", "carol", "dave", "erin"]);
  expect(stateOf(world, "bob").epoch.tree.leaves).toHaveLength(8);
  for (const name of ["carol", "erin", "dave"]) {
    await commit(world, "bob", { proposals: [{ type: "remove", removed: leafOf(world, name) }] });
  }
  expect(stateOf(world, "alice").epoch.tree.leaves).toHaveLength(2);
  await commit(world, "alice");
});

/** One of each message, from a group that has lived a little. */
async function corpus(): Promise<Uint8Array[]> {
  const suite = testSuite();
  const world = await newWorld(suite);
  await add(world, "alice", ["bob", "carol", "dave"]);
  await commit(world, "carol");
  const alice = stateOf(world, "alice");
  const erin = await newClient(suite, "erin", { lastResort: true });
  const created = await createCommit(alice, {
    authentication,
    privateMessage: false,
    proposals: [
      { type: "add", keyPackage: erin.keyPackage },
      { type: "remove", removed: leafOf(world, "dave") },
    ],
    ratchetTreeInWelcome: true,
  });
  const proposal = await createProposal(alice, { type: "update" }, { authentication, privateMessage: false });
  return [
    erin.bytes,
    created.commit,
    ...created.welcomes.map(({ bytes }) => bytes),
    proposal.message,
    (await createMessage(alice, text("hello"))).message,
    await createGroupInfo(alice, { ratchetTree: true }),
  ];
}

test("mutated messages are refused with a decode error, or read and written back as they were", async () => {
  const messages = await corpus();
  for (const bytes of messages) {
    expect(encodeMlsMessage(decodeMlsMessage(bytes))).toEqual(bytes);
    expect(inspectMessage(bytes).wireFormat).toBeDefined();
  }
  const mutation = fc.record({
    which: fc.nat(messages.length - 1),
    at: fc.double({ min: 0, max: 0.999999, noNaN: true }),
    kind: fc.constantFrom("flip", "cut", "insert", "repeat", "length"),
    byte: fc.nat(255),
    more: fc.uint8Array({ maxLength: 40 }),
  });
  fc.assert(
    fc.property(mutation, ({ which, at, kind, byte, more }) => {
      const bytes = messages[which] as Uint8Array;
      const index = Math.floor(at * bytes.length);
      const [before, after] = [[...bytes.subarray(0, index)], [...bytes.subarray(index)]];
      const mutated = Uint8Array.from(
        {
          flip: [...before, byte, ...after.slice(1)],
          cut: [...before, ...after.slice(1 + (byte % 16))],
          insert: [...before, ...more, ...after],
          repeat: [...before, ...after.slice(0, byte), ...after],
          length: [...before, 0xbf, 0xff, 0xff, byte, ...after.slice(4)],
        }[kind],
      );
      try {
        expect(encodeMlsMessage(decodeMlsMessage(mutated))).toEqual(mutated);
      } catch (error) {
        if (!(error instanceof MlsError)) throw error;
        expect(error).toMatchObject({ code: expect.stringMatching(/^(decode_failed|unsupported_proposal)$/) });
      }
    }),
    { numRuns: 3000, seed: 9420 },
  );
});

test("random bytes are never more than a decode error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      for (const read of [decodeMlsMessage, decodeTree, decodeKeyPackage, decodeKeyPackagePrivate]) {
        for (const input of [bytes, Uint8Array.of(0, 1, 0, 1 + (bytes.length % 5), ...bytes)]) {
          try {
            read(input);
          } catch (error) {
            if (!(error instanceof MlsError)) throw error;
          }
        }
      }
    }),
    { numRuns: 2000, seed: 1 },
  );
});

test("a tree of 5,000 members is encoded and decoded in well under a second", async () => {
  const leaf = (await newClient(testSuite(), "alice")).keyPackage.leafNode;
  const leaves = Array.from({ length: 8192 }, (_, index) => (index < 5000 ? leaf : undefined));
  const bytes = encodeRatchetTree({
    ...({} as Parameters<typeof encodeRatchetTree>[0]),
    epoch: { tree: { leaves, parents: Array.from({ length: 8191 }, () => undefined), hashes: [] } } as never,
  });
  const start = performance.now();
  expect(decodeTree(bytes).leaves.filter((each) => each !== undefined)).toHaveLength(5000);
  expect(performance.now() - start).toBeLessThan(2000);
});
