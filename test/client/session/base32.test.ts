/** Codes that people write down and type. */
import fc from "fast-check";
import { decodeCode, encodeCode } from "../../../client/src/session/base32.ts";

const bytes = fc.uint8Array({ minLength: 16, maxLength: 33 });

describe("a code", () => {
  // Computed by a second implementation, in another language.
  it("has the spelling that is written down", () => {
    expect(encodeCode(new Uint8Array(20))).toMatch(/^(0000-){8}[0-9A-HJKMNP-TV-Z]{4}$/);
    expect(encodeCode(Uint8Array.from({ length: 20 }, (_, i) => i * 13))).toBe(
      "006H-M9SM-8575-PT3N-GA7S-SADP-RF8D-VTQQ-C6DG",
    );
    expect(encodeCode(Uint8Array.from({ length: 32 }, (_, i) => 255 - i))).toBe(
      "ZZZF-VZ7V-ZBWZ-HXZP-YQTF-7WQH-Y3QY-XVFC-XFNE-KT77-WVJY-9RZ2-W7G0-5670",
    );
  });

  it("comes back however it is typed", () => {
    fc.assert(
      fc.property(
        bytes,
        fc.constantFrom(" ", "", "-", " - ", "\u2013", "\n"),
        fc.boolean(),
        (code, between, isLower) => {
          const written = encodeCode(code).split("-").join(between);
          expect(decodeCode(isLower ? written.toLowerCase() : written, code.length)).toEqual(code);
        },
      ),
    );
    const ones = encodeCode(Uint8Array.from({ length: 20 }, () => 0x08))
      .replace(/1/g, "l")
      .replace(/0/g, "o");
    expect(decodeCode(ones, 20)).toEqual(Uint8Array.from({ length: 20 }, () => 0x08));
  });

  it("with a symbol changed, two exchanged, one missing or one too many is none", () => {
    fc.assert(
      fc.property(bytes, fc.nat(), fc.nat({ max: 30 }), (code, position, change) => {
        const symbols = encodeCode(code).replace(/-/g, "");
        const at = position % symbols.length;
        const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        const other = alphabet[(alphabet.indexOf(symbols[at]!) + 1 + change) % 32]!;
        const withAt = (symbol: string): string => symbols.slice(0, at) + symbol + symbols.slice(at + 1);
        expect(decodeCode(withAt(other), code.length)).toBeUndefined();
        expect(decodeCode(withAt("U"), code.length)).toBeUndefined();
        expect(decodeCode(withAt(""), code.length)).toBeUndefined();
        expect(decodeCode(symbols + other, code.length)).toBeUndefined();
        expect(decodeCode(symbols, code.length - 1)).toBeUndefined();
        const [a, b] = [symbols[at]!, symbols[at + 1]];
        if (b !== undefined && a !== b) {
          const exchanged = symbols.slice(0, at) + b + a + symbols.slice(at + 2);
          expect(decodeCode(exchanged, code.length)).toBeUndefined();
        }
      }),
      { seed: 7 },
    );
  });
});
