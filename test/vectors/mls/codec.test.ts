/** Families without cryptography: lengths, tree mathematics and the encodings of all messages. */
import { decode, encode, Reader, type Reader as ReaderType, type Writer } from "../../../mls/src/codec.ts";
import { readCommit, writeCommit } from "../../../mls/src/commit.ts";
import { decodeMlsMessage, encodeMlsMessage } from "../../../mls/src/mlsMessage.ts";
import { readProposal, writeProposal } from "../../../mls/src/proposal.ts";
import { readRatchetTree, writeRatchetTree, type RatchetTree } from "../../../mls/src/ratchetTree.ts";
import { left, level, nodeWidth, parentOf, right, root, sibling } from "../../../mls/src/treeMath.ts";
import { readGroupSecrets, writeGroupSecrets } from "../../../mls/src/welcome.ts";
import { bytes, describePlainVectors, hex } from "./vectors.ts";

describePlainVectors<{ vlbytes_header: string; length: number }>("deserialization", (vector) => {
  const reader = new Reader(bytes(vector.vlbytes_header));
  expect(reader.length()).toBe(vector.length);
  reader.end();
  expect(
    hex(
      encode((writer, length: number) => {
        writer.length(length);
      }, vector.length),
    ),
  ).toBe(vector.vlbytes_header);
});

interface TreeMathCase {
  n_leaves: number;
  n_nodes: number;
  root: number;
  left: (number | null)[];
  right: (number | null)[];
  parent: (number | null)[];
  sibling: (number | null)[];
}

describePlainVectors<TreeMathCase>("tree-math", (vector) => {
  expect(nodeWidth(vector.n_leaves)).toBe(vector.n_nodes);
  expect(root(vector.n_leaves)).toBe(vector.root);
  for (let node = 0; node < vector.n_nodes; node++) {
    expect(level(node) === 0 ? null : left(node)).toBe(vector.left[node]);
    expect(level(node) === 0 ? null : right(node)).toBe(vector.right[node]);
    expect(node === vector.root ? null : parentOf(node)).toBe(vector.parent[node]);
    expect(node === vector.root ? null : sibling(node)).toBe(vector.sibling[node]);
  }
});

type MessagesCase = Record<string, string>;

const proposalTypes: Record<string, string> = {
  add_proposal: "0001",
  update_proposal: "0002",
  remove_proposal: "0003",
  pre_shared_key_proposal: "0004",
  re_init_proposal: "0005",
  external_init_proposal: "0006",
  group_context_extensions_proposal: "0007",
};

function roundTrip<T>(read: (reader: ReaderType) => T, write: (writer: Writer, value: T) => void, text: string): void {
  expect(hex(encode(write, decode(read, bytes(text))))).toBe(text);
}

describePlainVectors<MessagesCase>("messages", (vector) => {
  for (const [name, text] of Object.entries(vector)) {
    if (name.startsWith("mls_") || name.startsWith("public_message") || name === "private_message") {
      expect(hex(encodeMlsMessage(decodeMlsMessage(bytes(text))))).toBe(text);
    } else if (name === "ratchet_tree") {
      roundTrip<RatchetTree>(readRatchetTree, writeRatchetTree, text);
    } else if (name === "group_secrets") {
      roundTrip(readGroupSecrets, writeGroupSecrets, text);
    } else if (name === "commit") {
      roundTrip(readCommit, writeCommit, text);
    } else {
      const type = proposalTypes[name];
      if (type === undefined) throw new Error(`unknown structure ${name}`);
      roundTrip(readProposal, writeProposal, type + text);
    }
  }
});
