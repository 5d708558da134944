/** Who may propose from outside: RFC 9420, section 12.1.8.1. */
import { decode, encode, type Reader, type Writer } from "./codec.ts";
import { readCredential, writeCredential, type Credential } from "./credential.ts";
import { extensionTypes, findExtension, type Extension } from "./extension.ts";

export interface ExternalSender {
  readonly signatureKey: Uint8Array;
  readonly credential: Credential;
}

function writeSenders(writer: Writer, senders: readonly ExternalSender[]): void {
  writer.vector(senders, (sender) => {
    writer.opaque(sender.signatureKey);
    writeCredential(writer, sender.credential);
  });
}

function readSenders(reader: Reader): ExternalSender[] {
  return reader.vector((item) => ({ signatureKey: item.opaque(), credential: readCredential(item) }));
}

export function externalSendersExtension(senders: readonly ExternalSender[]): Extension {
  return { extensionType: extensionTypes.externalSenders, data: encode(writeSenders, senders) };
}

/** @throws MlsError `decode_failed` when the extension is malformed. */
export function externalSendersOf(extensions: readonly Extension[]): readonly ExternalSender[] {
  const extension = findExtension(extensions, extensionTypes.externalSenders);
  return extension === undefined ? [] : decode(readSenders, extension.data);
}
