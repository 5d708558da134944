/** Commits as data: RFC 9420, section 12.4. */
import { decodeFailed, type Reader, type Writer } from "./codec.ts";
import { readProposal, writeProposal, type Proposal } from "./proposal.ts";
import { readUpdatePath, writeUpdatePath, type UpdatePath } from "./updatePath.ts";

export type ProposalOrRef =
  | { readonly type: "proposal"; readonly proposal: Proposal }
  | { readonly type: "reference"; readonly reference: Uint8Array };

export interface Commit {
  readonly proposals: readonly ProposalOrRef[];
  readonly path?: UpdatePath;
}

const proposalOrRefTypes = { proposal: 1, reference: 2 } as const;

export function writeCommit(writer: Writer, commit: Commit): void {
  writer.vector(commit.proposals, (item) => {
    writer.uint8(proposalOrRefTypes[item.type]);
    if (item.type === "proposal") writeProposal(writer, item.proposal);
    else writer.opaque(item.reference);
  });
  writer.optional(commit.path, (path) => writeUpdatePath(writer, path));
}

export function readCommit(reader: Reader): Commit {
  const proposals = reader.vector((item): ProposalOrRef => {
    switch (item.uint8()) {
      case proposalOrRefTypes.proposal:
        return { type: "proposal", proposal: readProposal(item) };
      case proposalOrRefTypes.reference:
        return { type: "reference", reference: item.opaque() };
      default:
        throw decodeFailed("a commit holds neither a proposal nor a reference");
    }
  });
  const path = reader.optional(readUpdatePath);
  return path === undefined ? { proposals } : { proposals, path };
}
