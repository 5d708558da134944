/** HPKECiphertext: RFC 9420, section 7.6. */
import type { HpkeCiphertext } from "./cipherSuite.ts";
import type { Reader, Writer } from "./codec.ts";

export function writeHpkeCiphertext(writer: Writer, value: HpkeCiphertext): void {
  writer.opaque(value.kemOutput);
  writer.opaque(value.ciphertext);
}

export function readHpkeCiphertext(reader: Reader): HpkeCiphertext {
  return { kemOutput: reader.opaque(), ciphertext: reader.opaque() };
}
