/** Who sent a message: RFC 9420, section 6. */
import { decodeFailed, type Reader, type Writer } from "./codec.ts";

export type Sender =
  | { readonly type: "member"; readonly leafIndex: number }
  | { readonly type: "external"; readonly senderIndex: number }
  | { readonly type: "newMemberProposal" }
  | { readonly type: "newMemberCommit" };

const senderTypes = { member: 1, external: 2, newMemberProposal: 3, newMemberCommit: 4 } as const;

export function writeSender(writer: Writer, sender: Sender): void {
  writer.uint8(senderTypes[sender.type]);
  if (sender.type === "member") writer.uint32(sender.leafIndex);
  else if (sender.type === "external") writer.uint32(sender.senderIndex);
}

export function readSender(reader: Reader): Sender {
  switch (reader.uint8()) {
    case senderTypes.member:
      return { type: "member", leafIndex: reader.uint32() };
    case senderTypes.external:
      return { type: "external", senderIndex: reader.uint32() };
    case senderTypes.newMemberProposal:
      return { type: "newMemberProposal" };
    case senderTypes.newMemberCommit:
      return { type: "newMemberCommit" };
    default:
      throw decodeFailed("the sender's type is unknown");
  }
}
