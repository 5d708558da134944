/** The hand-written encodings under the labelled operations are those of the codec. */
import { encode } from "../../../mls/src/codec.ts";
import { kdfLabel, labelled, refHashInput } from "../../../mls/src/labels.ts";

/** Around each change of the length's size; RFC 9420, section 2.1.2. */
const lengths = [0, 1, 63, 64, 65, 16_383, 16_384, 16_385, 70_000];

test.each(lengths)("RFC 9420, sections 5.1.2, 5.1.3, 5.2 and 8: a content of %i bytes", (length) => {
  const content = new Uint8Array(length).map((_, index) => index);
  for (const label of ["LeafNodeTBS", "", "x".repeat(80)]) {
    expect(labelled(label, content)).toEqual(
      encode((writer) => {
        writer.text(`MLS 1.0 ${label}`);
        writer.opaque(content);
      }, undefined),
    );
    expect(refHashInput(label, content)).toEqual(
      encode((writer) => {
        writer.text(label);
        writer.opaque(content);
      }, undefined),
    );
    const expected = encode((writer) => {
      writer.uint16(0x1234);
      writer.text(`MLS 1.0 ${label}`);
      writer.opaque(content);
    }, undefined);
    expect(kdfLabel(0x1234, label, content)).toEqual(expected);
    expect(kdfLabel(0x1234, label, content, 1)).toEqual(Uint8Array.of(...expected, 0));
  }
});

test("more labels than are remembered are still encoded right", () => {
  for (let round = 0; round < 2; round++) {
    for (let index = 0; index < 600; index++) {
      const label = `exporter ${index}`;
      expect(labelled(label, new Uint8Array(0))).toEqual(
        encode((writer) => {
          writer.text(`MLS 1.0 ${label}`);
          writer.opaque(new Uint8Array(0));
        }, undefined),
      );
    }
  }
});
