/**
 * ECDSA-Sig-Value in DER (RFC 3279, section 2.2.3), which MLS puts on the wire, and r || s of 32 bytes each, which WebCrypto
 * speaks.
 */

const integerLength = 32;
const sequenceTag = 0x30;
const integerTag = 0x02;

/** `undefined` where it is not strict DER, or a number is negative or too long. */
export function fromDer(signature: Uint8Array): Uint8Array | undefined {
  // Two integers of at most 33 bytes: all lengths are below 128 and so have the short form; a longer input ends after them.
  if (signature[0] !== sequenceTag || signature[1] !== signature.length - 2) return undefined;
  const result = new Uint8Array(2 * integerLength);
  let offset = 2;
  for (const end of [integerLength, 2 * integerLength]) {
    const length = signature[offset + 1] ?? 0;
    const start = offset + 2;
    if (signature[offset] !== integerTag || length === 0) return undefined;
    const first = signature[start] ?? 0;
    const padded = first === 0 && length > 1;
    if (first >= 0x80 || (padded && (signature[start + 1] ?? 0) < 0x80)) return undefined;
    const digits = signature.subarray(padded ? start + 1 : start, start + length);
    if (digits.length > integerLength) return undefined;
    result.set(digits, end - digits.length);
    offset = start + length;
  }
  return offset === signature.length ? result : undefined;
}

export function toDer(signature: Uint8Array): Uint8Array {
  const integers = [signature.subarray(0, integerLength), signature.subarray(integerLength)].map((digits) => {
    let start = 0;
    while (start < integerLength - 1 && digits[start] === 0) start++;
    const padding = (digits[start] ?? 0) >= 0x80 ? [0] : [];
    return [integerTag, padding.length + integerLength - start, ...padding, ...digits.subarray(start)];
  });
  const body = integers.flat();
  return Uint8Array.of(sequenceTag, body.length, ...body);
}
