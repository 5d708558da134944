/** base64url without padding (RFC 4648, section 5), strict: one spelling for each byte string. */

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const values = new Int8Array(128).fill(-1);
for (let i = 0; i < 64; i++) values[alphabet.charCodeAt(i)] = i;

export function encodeBase64Url(bytes: Uint8Array): string {
  let text = "";
  let i = 0;
  for (; i + 2 < bytes.length; i += 3) {
    const triple = (bytes[i]! << 16) | (bytes[i + 1]! << 8) | bytes[i + 2]!;
    text +=
      alphabet[triple >> 18]! + alphabet[(triple >> 12) & 63]! + alphabet[(triple >> 6) & 63]! + alphabet[triple & 63]!;
  }
  if (i + 1 === bytes.length) {
    text += alphabet[bytes[i]! >> 2]! + alphabet[(bytes[i]! & 3) << 4]!;
  } else if (i + 2 === bytes.length) {
    const pair = (bytes[i]! << 8) | bytes[i + 1]!;
    text += alphabet[pair >> 10]! + alphabet[(pair >> 4) & 63]! + alphabet[(pair & 15) << 2]!;
  }
  return text;
}

/** @throws RangeError when `text` is not canonical base64url */
export function decodeBase64Url(text: string): Uint8Array {
  const rest = text.length % 4;
  if (rest === 1) throw new RangeError("not base64url");
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let out = 0;
  for (let i = 0; i < text.length; i += 4) {
    const a = valueAt(text, i);
    const b = valueAt(text, i + 1);
    bytes[out++] = (a << 2) | (b >> 4);
    if (i + 2 >= text.length) {
      if ((b & 15) !== 0) throw new RangeError("not base64url");
      break;
    }
    const c = valueAt(text, i + 2);
    bytes[out++] = ((b & 15) << 4) | (c >> 2);
    if (i + 3 >= text.length) {
      if ((c & 3) !== 0) throw new RangeError("not base64url");
      break;
    }
    bytes[out++] = ((c & 3) << 6) | valueAt(text, i + 3);
  }
  return bytes;
}

/** Whether `decodeBase64Url` would accept `text`. */
export function isBase64Url(text: string): boolean {
  const rest = text.length % 4;
  if (rest === 1 || !/^[A-Za-z0-9_-]*$/.test(text)) return false;
  if (rest === 0) return true;
  const last = values[text.charCodeAt(text.length - 1)]!;
  return (last & (rest === 2 ? 15 : 3)) === 0;
}

/** Bytes that `text`, a base64url string, decodes to. */
export function base64UrlLength(text: string): number {
  return Math.floor((text.length * 3) / 4);
}

function valueAt(text: string, index: number): number {
  const code = text.charCodeAt(index);
  const value = code < 128 ? values[code]! : -1;
  if (value < 0) throw new RangeError("not base64url");
  return value;
}
