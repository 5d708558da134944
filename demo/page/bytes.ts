/** Bytes for the eye. */

export function fromBase64(text: string): Uint8Array {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

/** Lines of sixteen bytes behind their offset, at most `limit` bytes. */
export function hexDump(bytes: Uint8Array, limit: number): string {
  const lines: string[] = [];
  for (let offset = 0; offset < Math.min(bytes.length, limit); offset += 16) {
    const row = [...bytes.subarray(offset, Math.min(offset + 16, limit))];
    const pairs = row.map((byte) => byte.toString(16).padStart(2, "0"));
    lines.push(
      `${offset.toString(16).padStart(4, "0")}  ${pairs.slice(0, 8).join(" ")}  ${pairs.slice(8).join(" ")}`.trimEnd(),
    );
  }
  if (bytes.length > limit) lines.push(`…     ${(bytes.length - limit).toLocaleString("en")} bytes more`);
  return lines.join("\n");
}

/** The last bytes, as one run of hex. What stands first in an entry is the same in all: its header. */
export function hexEnd(bytes: Uint8Array, count: number): string {
  const end = [...bytes.subarray(Math.max(0, bytes.length - count))];
  const run = end.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return bytes.length > count ? `…${run}` : run;
}
