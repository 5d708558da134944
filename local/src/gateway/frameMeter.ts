/**
 * Follows the headers of WebSocket frames in a byte stream, to learn how long each frame is: `ws` tells of messages
 * alone, and the limit that clients meet is one of frames.
 *
 * https://www.rfc-editor.org/rfc/rfc6455#section-5.2
 */
export interface FrameMeter {
  /** The longest payload that any frame seen so far announces. */
  longest(): number;
  push(chunk: Buffer): void;
}

const MASK_BYTES = 4;

export function createFrameMeter(): FrameMeter {
  let header = Buffer.alloc(0);
  let skip = 0;
  let longest = 0;
  return {
    longest: () => longest,
    push(chunk) {
      let rest = chunk;
      while (rest.length > 0) {
        const skipped = Math.min(skip, rest.length);
        skip -= skipped;
        rest = rest.subarray(skipped);
        if (rest.length === 0) return;
        // One byte at a time until the header is whole: it is at most 14 bytes.
        header = Buffer.concat([header, rest.subarray(0, 1)]);
        rest = rest.subarray(1);
        const frame = readHeader(header);
        if (!frame) continue;
        longest = Math.max(longest, frame.payload);
        skip = frame.payload;
        header = Buffer.alloc(0);
      }
    },
  };
}

function readHeader(header: Buffer): { readonly payload: number } | null {
  const second = header[1];
  if (second === undefined) return null;
  const short = second & 0x7f;
  const extended = short === 127 ? 8 : short === 126 ? 2 : 0;
  const mask = (second & 0x80) === 0 ? 0 : MASK_BYTES;
  if (header.length < 2 + extended + mask) return null;
  if (extended === 8) return { payload: Number(header.readBigUInt64BE(2)) };
  return { payload: extended === 2 ? header.readUInt16BE(2) : short };
}
