/** Runs in the browser, for `browser.test.ts`: the webcrypto provider behind arguments that fit through JSON. */
import type { CurveName, SignatureName } from "../../../mls/src/provider.ts";
import { webcryptoProvider } from "../../../mls/src/providers/webcrypto.ts";
import { getCipherSuite } from "../../../mls/src/suites.ts";

/** Two values in hexadecimal. */
type Pair = readonly [string, string];

const provider = webcryptoProvider();
const empty = new Uint8Array(0);

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}

function hex(data: Uint8Array): string {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const utf8 = (text: string) => new TextEncoder().encode(text);
const suiteOf = (id: number) => getCipherSuite(id, provider);

const operations = {
  async agree(curve: CurveName, privateKey: string, peer: string) {
    const secret = await provider.curves[curve].agree(bytes(privateKey), bytes(peer));
    return secret && hex(secret);
  },
  verify: (scheme: SignatureName, publicKey: string, message: string, signature: string) =>
    provider.signatures[scheme].verify(bytes(publicKey), bytes(message), bytes(signature)),
  async keyPair(suite: number, ikm: string): Promise<Pair> {
    const { publicKey, privateKey } = await suiteOf(suite).deriveKeyPair(bytes(ikm));
    return [hex(publicKey), hex(privateKey)];
  },
  async generated(suite: number): Promise<Pair> {
    const { publicKey, privateKey } = await suiteOf(suite).generateKeyPair();
    return [hex(publicKey), hex(privateKey)];
  },
  async seal(suite: number, publicKey: string, text: string): Promise<Pair> {
    const sealed = await suiteOf(suite).encryptWithLabel(bytes(publicKey), "label", empty, utf8(text));
    return [hex(sealed.kemOutput), hex(sealed.ciphertext)];
  },
  async open(suite: number, pair: Pair, sealed: Pair) {
    const [publicKey, privateKey] = [bytes(pair[0]), bytes(pair[1])];
    const ciphertext = { kemOutput: bytes(sealed[0]), ciphertext: bytes(sealed[1]) };
    const plaintext = await suiteOf(suite).decryptWithLabel(privateKey, publicKey, "label", empty, ciphertext);
    return new TextDecoder().decode(plaintext);
  },
  async sign(suite: number, text: string): Promise<Pair> {
    const { publicKey, privateKey } = await suiteOf(suite).generateSignatureKeyPair();
    return [hex(publicKey), hex(await suiteOf(suite).signWithLabel(privateKey, "label", utf8(text)))];
  },
};

export type Operations = typeof operations;

Object.assign(globalThis, { operations });
