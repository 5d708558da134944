/** Everything that a value holds, as bytes: to search what a server has for what it must not have. */
import { decodeBase64Url, isBase64Url } from "@tacit/protocol";

/** Shorter texts are not tried as an encoding of something else. */
const shortest = 16;

/** Separated, so that nothing is found across two of them. */
export function bytesWithin(...values: readonly unknown[]): Buffer {
  const found: Uint8Array[] = [];
  for (const value of values) collect(value, found);
  return Buffer.concat(found.flatMap((bytes) => [bytes, Buffer.from("\0|\0")]));
}

/** Decoded as far as it can be. */
function collect(value: unknown, found: Uint8Array[]): void {
  if (typeof value === "string") {
    found.push(Buffer.from(value));
    if (value.length >= shortest && isBase64Url(value)) {
      const decoded = Buffer.from(decodeBase64Url(value));
      found.push(decoded);
      if (decoded[0] === 0x7b) collect(parsed(decoded.toString()), found);
    } else if (value.length >= shortest && /^[A-Za-z0-9+/]+=*$/.test(value)) {
      found.push(Buffer.from(value, "base64"));
    } else if (value.startsWith("{")) collect(parsed(value), found);
  } else if (value instanceof Uint8Array) found.push(value);
  else if (value instanceof Map || value instanceof Set) collect([...value], found);
  else if (typeof value === "object" && value !== null) for (const inner of Object.values(value)) collect(inner, found);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
