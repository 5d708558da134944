/** What a client supports (RFC 9420, section 7.2), and what a group requires (section 11.1). */
import { decode, encode, type Reader, type Writer } from "./codec.ts";
import { extensionTypes, findExtension, type Extension } from "./extension.ts";

export interface Capabilities {
  readonly versions: readonly number[];
  readonly cipherSuites: readonly number[];
  /** Beyond the default types of RFC 9420, section 7.2, which need not be listed. */
  readonly extensions: readonly number[];
  /** Beyond the default types. */
  readonly proposals: readonly number[];
  readonly credentials: readonly number[];
}

export interface RequiredCapabilities {
  readonly extensions: readonly number[];
  readonly proposals: readonly number[];
  readonly credentials: readonly number[];
}

/** Types that RFC 9420 defines are supported by all and never listed; section 7.2. */
const lastDefaultExtension = 5;
const lastDefaultProposal = 7;

function writeTypes(writer: Writer, types: readonly number[]): void {
  writer.vector(types, (type) => writer.uint16(type));
}

function readTypes(reader: Reader): number[] {
  return reader.vector((item) => item.uint16());
}

export function writeCapabilities(writer: Writer, capabilities: Capabilities): void {
  writeTypes(writer, capabilities.versions);
  writeTypes(writer, capabilities.cipherSuites);
  writeTypes(writer, capabilities.extensions);
  writeTypes(writer, capabilities.proposals);
  writeTypes(writer, capabilities.credentials);
}

export function readCapabilities(reader: Reader): Capabilities {
  return {
    versions: readTypes(reader),
    cipherSuites: readTypes(reader),
    extensions: readTypes(reader),
    proposals: readTypes(reader),
    credentials: readTypes(reader),
  };
}

export function supportsExtension(capabilities: Capabilities, extensionType: number): boolean {
  return (
    (extensionType > 0 && extensionType <= lastDefaultExtension) || capabilities.extensions.includes(extensionType)
  );
}

function supportsProposal(capabilities: Capabilities, proposalType: number): boolean {
  return (proposalType > 0 && proposalType <= lastDefaultProposal) || capabilities.proposals.includes(proposalType);
}

/** The extension that makes a group require these of each member. */
export function requiredCapabilitiesExtension(required: RequiredCapabilities): Extension {
  const data = encode((writer, value: RequiredCapabilities) => {
    writeTypes(writer, value.extensions);
    writeTypes(writer, value.proposals);
    writeTypes(writer, value.credentials);
  }, required);
  return { extensionType: extensionTypes.requiredCapabilities, data };
}

/** @throws MlsError `decode_failed` when the extension is malformed. */
export function requiredCapabilitiesOf(extensions: readonly Extension[]): RequiredCapabilities | undefined {
  const extension = findExtension(extensions, extensionTypes.requiredCapabilities);
  if (extension === undefined) return undefined;
  return decode(
    (reader) => ({ extensions: readTypes(reader), proposals: readTypes(reader), credentials: readTypes(reader) }),
    extension.data,
  );
}

export function meetsRequired(capabilities: Capabilities, required: RequiredCapabilities): boolean {
  return (
    required.extensions.every((type) => supportsExtension(capabilities, type)) &&
    required.proposals.every((type) => supportsProposal(capabilities, type)) &&
    required.credentials.every((type) => capabilities.credentials.includes(type))
  );
}
