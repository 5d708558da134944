/**
 * The labelled encodings under the cryptographic operations: SignContent (RFC 9420, section 5.1.2), EncryptContext (5.1.3),
 * RefHashInput (5.2) and KDFLabel (8).
 *
 * Written by hand and not with the codec's writer: the key schedule builds several of these for each message.
 */

const encoder = new TextEncoder();

/** Labels are few, but exporters may bring their own. */
const cachedLabels = 256;
const labels = new Map<string, Uint8Array>();

/** `opaque label<V> = "MLS 1.0 " + label` */
function prefixedLabel(label: string): Uint8Array {
  let bytes = labels.get(label);
  if (bytes === undefined) {
    bytes = opaque(encoder.encode(`MLS 1.0 ${label}`));
    if (labels.size >= cachedLabels) labels.clear();
    labels.set(label, bytes);
  }
  return bytes;
}

/** Bytes of the length that precedes a vector; RFC 9420, section 2.1.2. */
function prefixLength(length: number): number {
  return length < 0x40 ? 1 : length < 0x4000 ? 2 : 4;
}

/** Writes a vector and returns where it ends. */
function writeOpaque(target: Uint8Array, start: number, bytes: Uint8Array): number {
  const length = bytes.length;
  let offset = start;
  if (length < 0x40) {
    target[offset++] = length;
  } else if (length < 0x4000) {
    target[offset++] = 0x40 | (length >> 8);
    target[offset++] = length;
  } else {
    target[offset++] = 0x80 | (length >> 24);
    target[offset++] = length >> 16;
    target[offset++] = length >> 8;
    target[offset++] = length;
  }
  target.set(bytes, offset);
  return offset + length;
}

function opaque(bytes: Uint8Array): Uint8Array {
  const result = new Uint8Array(prefixLength(bytes.length) + bytes.length);
  writeOpaque(result, 0, bytes);
  return result;
}

/** A label and one vector: SignContent and EncryptContext. */
export function labelled(label: string, content: Uint8Array): Uint8Array {
  const head = prefixedLabel(label);
  const result = new Uint8Array(head.length + prefixLength(content.length) + content.length);
  result.set(head);
  writeOpaque(result, head.length, content);
  return result;
}

/** Two vectors, the label given whole. */
export function refHashInput(label: string, value: Uint8Array): Uint8Array {
  const head = opaque(encoder.encode(label));
  const result = new Uint8Array(head.length + prefixLength(value.length) + value.length);
  result.set(head);
  writeOpaque(result, head.length, value);
  return result;
}

/** KDFLabel, with `spare` zero bytes after it. */
export function kdfLabel(length: number, label: string, context: Uint8Array, spare = 0): Uint8Array {
  const middle = prefixedLabel(label);
  const result = new Uint8Array(2 + middle.length + prefixLength(context.length) + context.length + spare);
  result[0] = length >> 8;
  result[1] = length;
  result.set(middle, 2);
  writeOpaque(result, 2 + middle.length, context);
  return result;
}
