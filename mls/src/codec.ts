/**
 * The presentation language of RFC 9420, section 2.1: big-endian integers, and vectors with variable-size lengths (section
 * 2.1.2) that must be minimal. A reader never reads past its bounds and every structure must end where its input ends.
 */
import { MlsError } from "./mlsError.ts";

/** Input that is not a valid encoding; every member sees it the same. */
export function decodeFailed(message: string): MlsError {
  return new MlsError("decode_failed", message, { everyone: true });
}

/** The longest vector that section 2.1.2 can express. */
const maximumLength = 0x3fffffff;

const textEncoder = new TextEncoder();

export class Writer {
  #buffer: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(capacity = 256) {
    this.#buffer = new Uint8Array(capacity);
    this.#view = new DataView(this.#buffer.buffer);
  }

  /** Makes room for `count` bytes and returns where they begin. */
  #advance(count: number): number {
    const start = this.#length;
    const end = start + count;
    if (end > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(end, this.#buffer.length * 2));
      grown.set(this.#buffer.subarray(0, start));
      // The abandoned buffer may hold secrets.
      this.#buffer.fill(0);
      this.#buffer = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = end;
    return start;
  }

  uint8(value: number): void {
    const at = this.#advance(1);
    this.#buffer[at] = value;
  }

  uint16(value: number): void {
    const at = this.#advance(2);
    this.#view.setUint16(at, value);
  }

  uint32(value: number): void {
    const at = this.#advance(4);
    this.#view.setUint32(at, value);
  }

  uint64(value: bigint): void {
    const at = this.#advance(8);
    this.#view.setBigUint64(at, value);
  }

  /** Bytes without a length. */
  fixed(bytes: Uint8Array): void {
    const at = this.#advance(bytes.length);
    this.#buffer.set(bytes, at);
  }

  /** Section 2.1.2: the length in the fewest of 1, 2 or 4 bytes. */
  length(value: number): void {
    if (value < 0x40) this.uint8(value);
    else if (value < 0x4000) this.uint16(0x4000 | value);
    else if (value <= maximumLength) this.uint32(0x80000000 + value);
    else throw new MlsError("invalid_argument", "a vector is longer than 2^30 - 1 bytes");
  }

  /** `opaque x<V>` */
  opaque(bytes: Uint8Array): void {
    this.length(bytes.length);
    this.fixed(bytes);
  }

  /** `opaque x<V>` of UTF-8. */
  text(value: string): void {
    this.opaque(textEncoder.encode(value));
  }

  /** What `write` writes, preceded by its length. */
  nested(write: () => void): void {
    const start = this.#length;
    write();
    const size = this.#length - start;
    const prefix = size < 0x40 ? 1 : size < 0x4000 ? 2 : 4;
    this.#advance(prefix);
    this.#buffer.copyWithin(start + prefix, start, start + size);
    const end = this.#length;
    this.#length = start;
    this.length(size);
    this.#length = end;
  }

  /** `T x<V>` */
  vector<T>(items: readonly T[], write: (item: T) => void): void {
    this.nested(() => {
      for (const item of items) write(item);
    });
  }

  /** `optional<T>`; section 2.1.1. */
  optional<T>(value: T | undefined, write: (value: T) => void): void {
    this.uint8(value === undefined ? 0 : 1);
    if (value !== undefined) write(value);
  }

  /** A copy of exactly what was written; the writer's own buffer is cleared, as it may hold secrets. */
  finish(): Uint8Array {
    const bytes = this.#buffer.slice(0, this.#length);
    this.#buffer.fill(0, 0, this.#length);
    this.#length = 0;
    return bytes;
  }
}

export class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #position: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#position = start;
    this.#end = end;
  }

  #advance(count: number): number {
    const start = this.#position;
    if (count > this.#end - start) throw decodeFailed("the input ends too early");
    this.#position = start + count;
    return start;
  }

  get position(): number {
    return this.#position;
  }

  get remaining(): number {
    return this.#end - this.#position;
  }

  uint8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  uint16(): number {
    return this.#view.getUint16(this.#advance(2));
  }

  uint32(): number {
    return this.#view.getUint32(this.#advance(4));
  }

  uint64(): bigint {
    return this.#view.getBigUint64(this.#advance(8));
  }

  fixed(count: number): Uint8Array {
    const start = this.#advance(count);
    return this.#bytes.slice(start, start + count);
  }

  /** A copy of the bytes between two earlier positions. */
  between(start: number, end: number): Uint8Array {
    return this.#bytes.slice(start, end);
  }

  /** Section 2.1.2: a length that is not in its fewest bytes is refused. */
  length(): number {
    const first = this.#view.getUint8(this.#advance(1));
    const prefix = first >> 6;
    if (prefix === 0) return first;
    if (prefix === 3) throw decodeFailed("a vector's length has the invalid prefix 3");
    this.#position -= 1;
    if (prefix === 1) {
      const value = this.uint16() & 0x3fff;
      if (value < 0x40) throw decodeFailed("a vector's length is not minimal");
      return value;
    }
    const value = this.uint32() & maximumLength;
    if (value < 0x4000) throw decodeFailed("a vector's length is not minimal");
    return value;
  }

  opaque(): Uint8Array {
    return this.fixed(this.length());
  }

  /** Reads a length and lets `read` consume exactly that many bytes. */
  nested<T>(read: (reader: Reader) => T): T {
    const size = this.length();
    const start = this.#advance(size);
    const inner = new Reader(this.#bytes, start, start + size);
    const value = read(inner);
    inner.end();
    return value;
  }

  vector<T>(read: (reader: Reader) => T): T[] {
    return this.nested((inner) => {
      const items: T[] = [];
      while (inner.remaining > 0) {
        const before = inner.position;
        items.push(read(inner));
        if (inner.position === before) throw decodeFailed("a vector's element is empty");
      }
      return items;
    });
  }

  optional<T>(read: (reader: Reader) => T): T | undefined {
    const presence = this.uint8();
    if (presence === 0) return undefined;
    if (presence !== 1) throw decodeFailed("an optional value's presence is neither 0 nor 1");
    return read(this);
  }

  /** @throws MlsError `decode_failed` when something is left. */
  end(): void {
    if (this.remaining !== 0) throw decodeFailed("the input is longer than its structure");
  }
}

/** One structure as bytes. */
export function encode<T>(write: (writer: Writer, value: T) => void, value: T): Uint8Array {
  const writer = new Writer();
  write(writer, value);
  return writer.finish();
}

/** Bytes as one structure, and nothing after it. */
export function decode<T>(read: (reader: Reader) => T, bytes: Uint8Array): T {
  const reader = new Reader(bytes);
  const value = read(reader);
  reader.end();
  return value;
}
