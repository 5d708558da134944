/** Blobs by fetch over presigned URLs. */
import type { BlobTransfer } from "../ports.ts";

/** Milliseconds that a transfer may take: half a minute, and as long as its bytes take at 20 KB a second. */
function patience(bytes: number): number {
  return 30_000 + bytes / 20;
}

/** Runs `body` with a signal that ends it in time. React Native has no AbortSignal.timeout. */
async function inTime<T>(bytes: number, body: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const end = new AbortController();
  const timer = setTimeout(() => end.abort(), patience(bytes));
  try {
    return await body(end.signal);
  } finally {
    clearTimeout(timer);
  }
}

export const fetchBlobs: BlobTransfer = {
  put: (url, headers, body) => inTime(body.length, (signal) => put(url, headers, body, signal)),
  get: (url, maxBytes) => inTime(maxBytes, (signal) => get(url, maxBytes, signal)),
};

async function put(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  const answer = await fetch(url, { method: "PUT", headers, body: body as Uint8Array<ArrayBuffer>, signal });
  await answer.body?.cancel();
  if (!answer.ok) throw new Error(`the upload was refused: ${answer.status}`);
}

async function get(url: string, maxBytes: number, signal: AbortSignal): Promise<Uint8Array | undefined> {
  const answer = await fetch(url, { signal });
  if (answer.status === 404 || answer.status === 410) return undefined;
  if (!answer.ok || answer.body === null) throw new Error(`the download was refused: ${answer.status}`);
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = answer.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    length += part.value.length;
    if (length > maxBytes) {
      await reader.cancel();
      return undefined;
    }
  }
  const body = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    body.set(part, offset);
    offset += part.length;
  }
  return body;
}
