/** The three providers, the vectors, and hexadecimal. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Random } from "../../../mls/src/cipherSuite.ts";
import type { CryptoProvider, ProviderOptions } from "../../../mls/src/provider.ts";
import { nobleProvider } from "../../../mls/src/providers/noble.ts";
import { nodeProvider } from "../../../mls/src/providers/node.ts";
import { webcryptoProvider } from "../../../mls/src/providers/webcrypto.ts";

export const providers: readonly (readonly [string, (options?: ProviderOptions) => CryptoProvider])[] = [
  ["node", nodeProvider],
  ["webcrypto", webcryptoProvider],
  ["noble", nobleProvider],
];

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

export function fromHex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "hex"));
}

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** SHA-256 of a seed and a counter: the same bytes in each run. */
export function seededRandom(seed: string): Random {
  let counter = 0;
  return (length) => {
    const result = new Uint8Array(length);
    for (let offset = 0; offset < length; offset += 32) {
      const block = createHash("sha256").update(`${seed}:${counter++}`).digest();
      result.set(block.subarray(0, length - offset), offset);
    }
    return result;
  };
}

export const vectorRoot = join(__dirname, "../../../../shared/vectors");

export const describeVectors = existsSync(vectorRoot) ? describe : describe.skip;

export function readVectors<T>(path: string): T {
  return JSON.parse(readFileSync(join(vectorRoot, path), "utf8")) as T;
}
