/** Imported keys, the least recently used forgotten first. */

/**
 * `load(bytes, encoded)`, remembered for the `capacity` keys used last. `encoded` is `encode(bytes)`, which has to be injective. A
 * load that throws or rejects is not remembered.
 */
export function keyCache<Key>(
  encode: (bytes: Uint8Array) => string,
  load: (bytes: Uint8Array, encoded: string) => Key,
  capacity: number,
): (bytes: Uint8Array) => Key {
  const keys = new Map<string, Key>();
  return (bytes) => {
    const encoded = encode(bytes);
    let key = keys.get(encoded);
    if (key === undefined) {
      key = load(bytes, encoded);
      if (key instanceof Promise) key.catch(() => keys.delete(encoded));
      if (keys.size >= capacity) {
        for (const oldest of keys.keys()) {
          keys.delete(oldest);
          break;
        }
      }
    } else {
      keys.delete(encoded);
    }
    keys.set(encoded, key);
    return key;
  };
}
