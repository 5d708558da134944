/** The code that goes from screen to screen: whatever is typed, it is the same code or none. */
import fc from "fast-check";
import { linkCodeQr, linkCodeText, parseLinkCode } from "../../../client/src/session/linking/linkCode.ts";

const bytes = fc.uint8Array({ minLength: 16, maxLength: 16 });
const codes = fc.record({ secret: bytes, offerHash: bytes });

describe("a link code", () => {
  it("comes back from its text and its QR code", () => {
    fc.assert(
      fc.property(codes, (code) => {
        const text = linkCodeText(code);
        expect(text).toMatch(/^([0-9A-HJKMNP-TV-Z]{4}-){13}[0-9A-HJKMNP-TV-Z]{4}$/);
        expect(parseLinkCode(text)).toEqual(code);
        const qr = linkCodeQr(code);
        expect(qr).toBe(`tacit-link:1:${text.replaceAll("-", "")}`);
        expect(parseLinkCode(qr)).toEqual(code);
      }),
    );
  });

  // Computed by a second implementation, in another language.
  it("is one code for ever", () => {
    const code = { secret: new Uint8Array(16).fill(1), offerHash: new Uint8Array(16).fill(255) };
    expect(linkCodeText(code)).toMatchInlineSnapshot(
      `"040G-2081-040G-2081-040G-2081-07ZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZG-5HDC"`,
    );
  });

  it("may be typed in lower case, with other dashes and blanks, and letters that look like digits", () => {
    fc.assert(
      fc.property(codes, fc.infiniteStream(fc.constantFrom("", " ", "-", "–", "\n", "  ")), (code, gaps) => {
        const typed = linkCodeText(code)
          .replaceAll("-", "")
          .toLowerCase()
          .split("")
          .map((character) => character.replace("0", "o").replace("1", "l") + gaps.next().value)
          .join("");
        expect(parseLinkCode(` ${typed}`)).toEqual(code);
        expect(parseLinkCode(linkCodeQr(code).toUpperCase())).toEqual(code);
      }),
    );
  });

  it("with one wrong character, or two exchanged, is none", () => {
    const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    fc.assert(
      fc.property(codes, fc.nat(55), fc.constantFrom(...alphabet.split("")), (code, place, wrong) => {
        const good = linkCodeText(code).replaceAll("-", "").split("");
        const changed = good.with(place, wrong).join("");
        expect(parseLinkCode(changed)).toEqual(wrong === good[place] ? code : undefined);
        const next = (place + 1) % 56;
        const exchanged = good.with(place, good[next]!).with(next, good[place]!).join("");
        expect(parseLinkCode(exchanged)).toEqual(good[place] === good[next] ? code : undefined);
        expect(parseLinkCode(good.toSpliced(place, 1).join(""))).toBeUndefined();
        expect(parseLinkCode(good.toSpliced(place, 0, wrong).join(""))).toBeUndefined();
      }),
      { seed: 11 },
    );
  });

  it("of something else is none", () => {
    for (const other of ["", "hello", "U".repeat(56), "0".repeat(56), "tacit-link:2:" + "0".repeat(56)]) {
      expect(parseLinkCode(other)).toBeUndefined();
    }
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 80 }), (text) => {
        expect(parseLinkCode(text)).toBeUndefined();
      }),
    );
  });
});
