/** What a message says without any key. Nothing in it is authenticated. */
import type { ContentType, MessageWireFormat } from "./framing.ts";
import type { KeyPackage } from "./keyPackage.ts";
import { decodeMlsMessage } from "./mlsMessage.ts";

export type MessageInfo =
  | {
      readonly wireFormat: MessageWireFormat;
      readonly groupId: Uint8Array;
      readonly epoch: bigint;
      readonly contentType: ContentType;
      readonly authenticatedData: Uint8Array;
    }
  | { readonly wireFormat: "welcome"; readonly cipherSuite: number; readonly keyPackageRefs: readonly Uint8Array[] }
  | {
      readonly wireFormat: "groupInfo";
      readonly cipherSuite: number;
      readonly groupId: Uint8Array;
      readonly epoch: bigint;
    }
  | { readonly wireFormat: "keyPackage"; readonly keyPackage: KeyPackage };

/** @throws MlsError `decode_failed` */
export function inspectMessage(bytes: Uint8Array): MessageInfo {
  const message = decodeMlsMessage(bytes);
  switch (message.wireFormat) {
    case "privateMessage": {
      const { groupId, epoch, contentType, authenticatedData } = message.privateMessage;
      return { wireFormat: message.wireFormat, groupId, epoch, contentType, authenticatedData };
    }
    case "publicMessage": {
      const { groupId, epoch, content, authenticatedData } = message.publicMessage.framed;
      return { wireFormat: message.wireFormat, groupId, epoch, contentType: content.contentType, authenticatedData };
    }
    case "welcome": {
      const { cipherSuite, secrets } = message.welcome;
      return {
        wireFormat: message.wireFormat,
        cipherSuite,
        keyPackageRefs: secrets.map(({ newMember }) => newMember),
      };
    }
    case "groupInfo": {
      const { groupId, epoch, cipherSuite } = message.groupInfo.groupContext;
      return { wireFormat: message.wireFormat, cipherSuite, groupId, epoch };
    }
    case "keyPackage":
      return { wireFormat: message.wireFormat, keyPackage: message.keyPackage };
  }
}
