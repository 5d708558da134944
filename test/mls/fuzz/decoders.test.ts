/** Every decoder under mutated input: a value that is written back as it was read, or a typed error. */
import fc from "fast-check";
import { decodeKeyPackage, decodeKeyPackagePrivate, decodeState, inspectMessage } from "@tacit/mls";
import { decode, encode, type Reader, type Writer } from "../../../mls/src/codec.ts";
import { readCapabilities, writeCapabilities } from "../../../mls/src/capabilities.ts";
import { readCommit, writeCommit } from "../../../mls/src/commit.ts";
import { readCredential, writeCredential } from "../../../mls/src/credential.ts";
import { readExtensions, writeExtensions } from "../../../mls/src/extension.ts";
import { readGroupContext, writeGroupContext } from "../../../mls/src/groupContext.ts";
import { readGroupInfo, writeGroupInfo } from "../../../mls/src/groupInfo.ts";
import { readKeyPackage, writeKeyPackage } from "../../../mls/src/keyPackage.ts";
import { readLeafNode, writeLeafNode } from "../../../mls/src/leafNode.ts";
import { decodeMlsMessage, encodeMlsMessage } from "../../../mls/src/mlsMessage.ts";
import { readProposal, writeProposal } from "../../../mls/src/proposal.ts";
import { readRatchetTree, writeRatchetTree } from "../../../mls/src/ratchetTree.ts";
import { readGroupSecrets, writeGroupSecrets, readWelcome, writeWelcome } from "../../../mls/src/welcome.ts";
import { makeCorpus, type Corpus } from "./corpus.ts";
import { mutate, mutations, type Mutation } from "./mutations.ts";
import { memoryInUse, Watch } from "./watch.ts";

interface Decoder {
  readonly name: string;
  /** Valid inputs. */
  readonly valid: readonly Uint8Array[];
  /** Decodes, and encodes again; null where there is nothing to compare. */
  readonly again: (bytes: Uint8Array) => Uint8Array | null;
}

function structure<T>(
  name: string,
  read: (reader: Reader) => T,
  write: (writer: Writer, value: T) => void,
  values: readonly T[],
): Decoder {
  return {
    name,
    valid: values.map((value) => encode(write, value)),
    again: (bytes) => encode(write, decode(read, bytes)),
  };
}

const discard = (read: (bytes: Uint8Array) => unknown) => (bytes: Uint8Array) => {
  read(bytes);
  return null;
};

function decodersOf(corpus: Corpus): Decoder[] {
  const { added, groupInfo, joiner, keyPackages, messages, receiver, storedEpoch, storedRatchets } = corpus;
  const { epoch, suite } = receiver;
  const welcomes = added.welcomes.map(({ bytes }) => bytes);
  const all = [...messages, ...welcomes, groupInfo, ...keyPackages];
  const parsed = all.map(decodeMlsMessage);
  const publicContents = parsed.flatMap((each) =>
    each.wireFormat === "publicMessage" ? [each.publicMessage.framed.content] : [],
  );
  const commits = publicContents.flatMap((content) => (content.contentType === "commit" ? [content.commit] : []));
  const proposals = publicContents.flatMap((content) => (content.contentType === "proposal" ? [content.proposal] : []));
  const info = parsed.flatMap((each) => (each.wireFormat === "groupInfo" ? [each.groupInfo] : []));
  const welcome = parsed.flatMap((each) => (each.wireFormat === "welcome" ? [each.welcome] : []));
  const leaves = epoch.tree.leaves.filter((leaf) => leaf !== undefined);
  const secrets = [
    { joinerSecret: suite.random(32), pathSecret: suite.random(32), psks: [] },
    { joinerSecret: suite.random(32), psks: proposals.flatMap((each) => (each.type === "psk" ? [each.id] : [])) },
  ];
  return [
    { name: "MLSMessage", valid: all, again: (bytes) => encodeMlsMessage(decodeMlsMessage(bytes)) },
    { name: "inspectMessage", valid: all, again: discard(inspectMessage) },
    { name: "decodeKeyPackage", valid: keyPackages, again: discard(decodeKeyPackage) },
    structure("Commit", readCommit, writeCommit, commits),
    structure("Proposal", readProposal, writeProposal, proposals),
    structure("KeyPackage", readKeyPackage, writeKeyPackage, [joiner.keyPackage]),
    structure("LeafNode", readLeafNode, writeLeafNode, leaves),
    structure(
      "Capabilities",
      readCapabilities,
      writeCapabilities,
      leaves.map(({ capabilities }) => capabilities),
    ),
    structure(
      "Credential",
      readCredential,
      writeCredential,
      leaves.map(({ credential }) => credential),
    ),
    structure("extensions", readExtensions, writeExtensions, [epoch.groupContext.extensions]),
    structure("GroupContext", readGroupContext, writeGroupContext, [epoch.groupContext]),
    structure("GroupInfo", readGroupInfo, writeGroupInfo, info),
    structure("GroupSecrets", readGroupSecrets, writeGroupSecrets, secrets),
    structure("Welcome", readWelcome, writeWelcome, welcome),
    { ...structure("ratchet_tree", readRatchetTree, writeRatchetTree, []), valid: [corpus.ratchetTree] },
    { name: "stored key package", valid: [corpus.privateKeys], again: discard(decodeKeyPackagePrivate) },
    {
      name: "stored epoch",
      valid: [storedEpoch],
      again: discard((bytes) => decodeState(suite, bytes, storedRatchets)),
    },
    ...storedRatchets.map(([key, valid]) => ({
      name: `stored ratchets ${key}`,
      valid: [valid],
      again: discard((bytes) => decodeState(suite, storedEpoch, new Map([...storedRatchets, [key, bytes] as const]))),
    })),
  ];
}

const runs = 700;

test("all decoders: typed errors alone, in time, and the memory comes back", async () => {
  const decoders = decodersOf(await makeCorpus());
  const everything = decoders.flatMap(({ valid }) => valid);
  for (const { again, name, valid } of decoders) {
    expect([name, valid.length > 0]).toEqual([name, true]);
    for (const bytes of valid) {
      const written = again(bytes);
      if (written !== null) expect(Buffer.from(written).equals(bytes)).toBe(true);
    }
  }
  const before = memoryInUse();
  for (const { again, name, valid } of decoders) {
    const watch = new Watch();
    const property = fc.asyncProperty(fc.nat(valid.length - 1), mutations, async (which, how: readonly Mutation[]) => {
      const mutated = mutate(valid[which] as Uint8Array, how, everything);
      const written = await watch.run(() => again(mutated));
      // One value has one encoding: what is accepted is written back as it came.
      if (written !== undefined && written !== null && !Buffer.from(written).equals(mutated)) {
        throw new Error(`${name}: ${Buffer.from(mutated).toString("hex")} is read, and written otherwise`);
      }
    });
    await fc.assert(property, { numRuns: runs, seed: 9420 });
    expect([name, watch.refused > runs / 10]).toEqual([name, true]);
    for (const code of watch.codes.keys()) {
      expect(["decode_failed", "unsupported_proposal", "invalid_argument"]).toContain(code);
    }
  }
  expect(memoryInUse() - before).toBeLessThan(32 * 2 ** 20);
}, 120_000);
