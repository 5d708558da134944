/** Strict DER to and from r || s, for WebCrypto. */
import fc from "fast-check";
import { fromDer, toDer } from "../../../mls/src/providers/derSignature.ts";
import { fromHex, hex } from "./support.ts";

test("what is encoded is decoded, for numbers of every length", () => {
  const number = fc
    .tuple(fc.integer({ min: 0, max: 32 }), fc.uint8Array({ minLength: 32, maxLength: 32 }))
    .map(([zeros, bytes]) => bytes.slice().fill(0, 0, zeros));
  fc.assert(
    fc.property(number, number, (r, s) => {
      const raw = Uint8Array.of(...r, ...s);
      expect(fromDer(toDer(raw))).toEqual(raw);
    }),
    { seed: 1, numRuns: 500 },
  );
});

test("examples", () => {
  const raw = fromHex("00".repeat(31) + "01" + "80".repeat(32));
  expect(hex(toDer(raw))).toBe(`3026020101022100${"80".repeat(32)}`);
});

test.each([
  ["empty", ""],
  ["a sequence only", "3000"],
  ["one integer", "3003020101"],
  ["three integers", "3009020101020101020101"],
  ["bytes after the second integer", "300702010102010100"],
  ["bytes after the sequence", "300602010102010100"],
  ["a sequence longer than its content", "3007020101020101"],
  ["a long-form length", "308106020101020101"],
  ["an indefinite length", "30800201010201010000"],
  ["another tag than a sequence", "3106020101020101"],
  ["another tag than an integer", "3006030101020101"],
  ["an empty integer", "30050200020101"],
  ["a negative integer", "3006020181020101"],
  ["an integer with a needless zero", "300702020001020101"],
  ["a second integer with a needless zero", "30070201010202007f"],
  ["an integer of 33 digits", `3026022101${"00".repeat(32)}020101`],
  ["an integer that ends after the input", "3006020101022001"],
])("refused: %s", (_, der) => {
  expect(fromDer(fromHex("3006020101020101"))).toBeDefined();
  expect(fromDer(fromHex(der))).toBeUndefined();
});

test("any input is decoded to what encodes to it, or refused", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (tail) => {
      const der = Uint8Array.of(0x30, tail.length, ...tail);
      const raw = fromDer(der);
      if (raw !== undefined) expect(toDer(raw)).toEqual(der);
    }),
    { seed: 2, numRuns: 2000 },
  );
});
