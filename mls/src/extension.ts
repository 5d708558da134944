/** Extensions: RFC 9420, section 13. Unknown ones are kept as they are. */
import { decodeFailed, type Reader, type Writer } from "./codec.ts";

export const extensionTypes = {
  applicationId: 1,
  ratchetTree: 2,
  requiredCapabilities: 3,
  externalPub: 4,
  externalSenders: 5,
  /** draft-ietf-mls-extensions, section "Last resort KeyPackages". */
  lastResort: 0x000a,
} as const;

export interface Extension {
  readonly extensionType: number;
  readonly data: Uint8Array;
}

export function findExtension(extensions: readonly Extension[], extensionType: number): Extension | undefined {
  return extensions.find((extension) => extension.extensionType === extensionType);
}

export function writeExtensions(writer: Writer, extensions: readonly Extension[]): void {
  writer.vector(extensions, (extension) => {
    writer.uint16(extension.extensionType);
    writer.opaque(extension.data);
  });
}

/** Section 13: at most one extension of each type. */
export function readExtensions(reader: Reader): Extension[] {
  const seen = new Set<number>();
  return reader.vector((item) => {
    const extensionType = item.uint16();
    if (seen.has(extensionType)) throw decodeFailed("an extension type occurs twice");
    seen.add(extensionType);
    return { extensionType, data: item.opaque() };
  });
}
