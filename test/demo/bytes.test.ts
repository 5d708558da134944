import { fromBase64, hexDump, hexEnd } from "../../demo/page/bytes.ts";

const bytes = Uint8Array.from({ length: 20 }, (_, index) => 0xf0 + (index % 16));

test("base64 is read in both alphabets, padded or not", () => {
  expect([...fromBase64("-_8")]).toEqual([0xfb, 0xff]);
  expect([...fromBase64("+/8=")]).toEqual([0xfb, 0xff]);
});

test("a dump has sixteen bytes a line behind their offset", () => {
  expect(hexDump(bytes, 100).split("\n")).toEqual([
    "0000  f0 f1 f2 f3 f4 f5 f6 f7  f8 f9 fa fb fc fd fe ff",
    "0010  f0 f1 f2 f3",
  ]);
});

test("what a dump leaves out is counted", () => {
  expect(hexDump(bytes, 18).split("\n").slice(1)).toEqual(["0010  f0 f1", "…     2 bytes more"]);
  expect(hexEnd(bytes, 2)).toBe("…f2f3");
  expect(hexEnd(bytes.subarray(0, 2), 2)).toBe("f0f1");
});
