/** The outermost structure: RFC 9420, section 6. */
import { decode, decodeFailed, encode, type Reader, type Writer } from "./codec.ts";
import { wireFormats } from "./framing.ts";
import { mls10, readVersion } from "./groupContext.ts";
import { readGroupInfo, writeGroupInfo, type GroupInfo } from "./groupInfo.ts";
import { readKeyPackage, writeKeyPackage, type KeyPackage } from "./keyPackage.ts";
import { readPrivateMessage, writePrivateMessage, type PrivateMessage } from "./privateMessage.ts";
import { readPublicMessage, writePublicMessage, type PublicMessage } from "./publicMessage.ts";
import { readWelcome, writeWelcome, type Welcome } from "./welcome.ts";

export type MlsMessage =
  | { readonly wireFormat: "publicMessage"; readonly publicMessage: PublicMessage }
  | { readonly wireFormat: "privateMessage"; readonly privateMessage: PrivateMessage }
  | { readonly wireFormat: "welcome"; readonly welcome: Welcome }
  | { readonly wireFormat: "groupInfo"; readonly groupInfo: GroupInfo }
  | { readonly wireFormat: "keyPackage"; readonly keyPackage: KeyPackage };

function writeMlsMessage(writer: Writer, message: MlsMessage): void {
  writer.uint16(mls10);
  writer.uint16(wireFormats[message.wireFormat]);
  switch (message.wireFormat) {
    case "publicMessage":
      writePublicMessage(writer, message.publicMessage);
      return;
    case "privateMessage":
      writePrivateMessage(writer, message.privateMessage);
      return;
    case "welcome":
      writeWelcome(writer, message.welcome);
      return;
    case "groupInfo":
      writeGroupInfo(writer, message.groupInfo);
      return;
    case "keyPackage":
      writeKeyPackage(writer, message.keyPackage);
  }
}

function readMlsMessage(reader: Reader): MlsMessage {
  readVersion(reader);
  switch (reader.uint16()) {
    case wireFormats.publicMessage:
      return { wireFormat: "publicMessage", publicMessage: readPublicMessage(reader) };
    case wireFormats.privateMessage:
      return { wireFormat: "privateMessage", privateMessage: readPrivateMessage(reader) };
    case wireFormats.welcome:
      return { wireFormat: "welcome", welcome: readWelcome(reader) };
    case wireFormats.groupInfo:
      return { wireFormat: "groupInfo", groupInfo: readGroupInfo(reader) };
    case wireFormats.keyPackage:
      return { wireFormat: "keyPackage", keyPackage: readKeyPackage(reader) };
    default:
      throw decodeFailed("the wire format is unknown");
  }
}

export function encodeMlsMessage(message: MlsMessage): Uint8Array {
  return encode(writeMlsMessage, message);
}

export function decodeMlsMessage(bytes: Uint8Array): MlsMessage {
  return decode(readMlsMessage, bytes);
}
