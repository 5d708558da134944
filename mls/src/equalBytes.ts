/** Comparing byte arrays, and sets of them. */

/** Takes the same time wherever equal-length arrays differ, so tags may be compared with it. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let index = 0; index < a.length; index++) difference |= (a[index] as number) ^ (b[index] as number);
  return difference === 0;
}

/** Stops at the first difference: for public values that are compared in bulk. */
export function samePublicBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
}

export function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

/** A set of public byte arrays; long ones (post-quantum keys) are bucketed by their beginning. */
export class ByteSet {
  readonly #buckets = new Map<string, Uint8Array[]>();

  /** `false` if it was there already. */
  add(bytes: Uint8Array): boolean {
    const key = String.fromCharCode(...bytes.subarray(0, 16));
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      this.#buckets.set(key, [bytes]);
      return true;
    }
    if (bucket.some((other) => samePublicBytes(other, bytes))) return false;
    bucket.push(bytes);
    return true;
  }
}
