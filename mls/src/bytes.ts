/** Joining, comparing and wiping byte arrays. */

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const result = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    result.set(part, offset);
    offset += part.length;
  }
  return result;
}

/** I2OSP of RFC 8017: `value` as `length` big-endian bytes. */
export function integerBytes(value: number, length: number): Uint8Array {
  const result = new Uint8Array(length);
  for (let index = length - 1, rest = value; index >= 0; index--, rest = Math.floor(rest / 256)) result[index] = rest;
  return result;
}

/** Overwrites secrets that are no longer needed. */
export function wipe(...secrets: readonly Uint8Array[]): void {
  for (const secret of secrets) secret.fill(0);
}
