/** Update paths as data: RFC 9420, section 7.6. */
import type { HpkeCiphertext } from "./cipherSuite.ts";
import type { Reader, Writer } from "./codec.ts";
import { readHpkeCiphertext, writeHpkeCiphertext } from "./hpkeCiphertext.ts";
import { readLeafNode, writeLeafNode, type LeafNode } from "./leafNode.ts";

export interface UpdatePathNode {
  readonly encryptionKey: Uint8Array;
  /** One for each node in the resolution of the copath child, new members left out. */
  readonly encryptedPathSecrets: readonly HpkeCiphertext[];
}

export interface UpdatePath {
  readonly leafNode: LeafNode;
  /** Along the filtered direct path, from the leaf upwards. */
  readonly nodes: readonly UpdatePathNode[];
}

export function writeUpdatePath(writer: Writer, path: UpdatePath): void {
  writeLeafNode(writer, path.leafNode);
  writer.vector(path.nodes, (node) => {
    writer.opaque(node.encryptionKey);
    writer.vector(node.encryptedPathSecrets, (secret) => writeHpkeCiphertext(writer, secret));
  });
}

export function readUpdatePath(reader: Reader): UpdatePath {
  return {
    leafNode: readLeafNode(reader),
    nodes: reader.vector((item) => ({
      encryptionKey: item.opaque(),
      encryptedPathSecrets: item.vector(readHpkeCiphertext),
    })),
  };
}
