/** Proposals: RFC 9420, section 12.1. */
import { MlsError } from "./mlsError.ts";
import type { Reader, Writer } from "./codec.ts";
import { readExtensions, writeExtensions, type Extension } from "./extension.ts";
import { mls10 } from "./groupContext.ts";
import { readKeyPackage, writeKeyPackage, type KeyPackage } from "./keyPackage.ts";
import { readLeafNode, writeLeafNode, type LeafNode } from "./leafNode.ts";
import { readPskId, writePskId, type PreSharedKeyId } from "./psk.ts";

export interface AddProposal {
  readonly type: "add";
  readonly keyPackage: KeyPackage;
}
export interface UpdateProposal {
  readonly type: "update";
  readonly leafNode: LeafNode;
}
export interface RemoveProposal {
  readonly type: "remove";
  /** A leaf index. */
  readonly removed: number;
}
export interface PskProposal {
  readonly type: "psk";
  readonly id: PreSharedKeyId;
}
export interface ReInitProposal {
  readonly type: "reinit";
  readonly groupId: Uint8Array;
  readonly version: number;
  readonly cipherSuite: number;
  readonly extensions: readonly Extension[];
}
export interface ExternalInitProposal {
  readonly type: "externalInit";
  readonly kemOutput: Uint8Array;
}
export interface GroupContextExtensionsProposal {
  readonly type: "groupContextExtensions";
  readonly extensions: readonly Extension[];
}
export type Proposal =
  | AddProposal
  | UpdateProposal
  | RemoveProposal
  | PskProposal
  | ReInitProposal
  | ExternalInitProposal
  | GroupContextExtensionsProposal;

export const proposalTypes = {
  add: 1,
  update: 2,
  remove: 3,
  psk: 4,
  reinit: 5,
  externalInit: 6,
  groupContextExtensions: 7,
} as const;

/** Section 12.4: a commit covering one of these needs a path. */
export function requiresPath(proposal: Proposal): boolean {
  return proposal.type !== "add" && proposal.type !== "psk" && proposal.type !== "reinit";
}

export function writeProposal(writer: Writer, proposal: Proposal): void {
  writer.uint16(proposalTypes[proposal.type]);
  switch (proposal.type) {
    case "add":
      writeKeyPackage(writer, proposal.keyPackage);
      return;
    case "update":
      writeLeafNode(writer, proposal.leafNode);
      return;
    case "remove":
      writer.uint32(proposal.removed);
      return;
    case "psk":
      writePskId(writer, proposal.id);
      return;
    case "reinit":
      writer.opaque(proposal.groupId);
      writer.uint16(proposal.version);
      writer.uint16(proposal.cipherSuite);
      writeExtensions(writer, proposal.extensions);
      return;
    case "externalInit":
      writer.opaque(proposal.kemOutput);
      return;
    case "groupContextExtensions":
      writeExtensions(writer, proposal.extensions);
  }
}

export function readProposal(reader: Reader): Proposal {
  const proposalType = reader.uint16();
  switch (proposalType) {
    case proposalTypes.add:
      return { type: "add", keyPackage: readKeyPackage(reader) };
    case proposalTypes.update:
      return { type: "update", leafNode: readLeafNode(reader) };
    case proposalTypes.remove:
      return { type: "remove", removed: reader.uint32() };
    case proposalTypes.psk:
      return { type: "psk", id: readPskId(reader) };
    case proposalTypes.reinit:
      return {
        type: "reinit",
        groupId: reader.opaque(),
        version: reader.uint16(),
        cipherSuite: reader.uint16(),
        extensions: readExtensions(reader),
      };
    case proposalTypes.externalInit:
      return { type: "externalInit", kemOutput: reader.opaque() };
    case proposalTypes.groupContextExtensions:
      return { type: "groupContextExtensions", extensions: readExtensions(reader) };
    default:
      // Its length is unknown, so nothing after it can be read. Section 12.2 forbids it unless every member supports it.
      throw new MlsError("unsupported_proposal", "the proposal's type is unknown", { everyone: true });
  }
}

/** A reinitialisation with this version of the protocol. */
export function reinitProposal(
  groupId: Uint8Array,
  cipherSuite: number,
  extensions: readonly Extension[],
): ReInitProposal {
  return { type: "reinit", groupId, version: mls10, cipherSuite, extensions };
}
