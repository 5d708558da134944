/** Blobs by fetch over presigned URLs. */
import type { BlobTransfer } from "../ports.ts";

export const fetchBlobs: BlobTransfer = {
  async put(url, headers, body) {
    const answer = await fetch(url, { method: "PUT", headers, body: body as Uint8Array<ArrayBuffer> });
    await answer.body?.cancel();
    if (!answer.ok) throw new Error(`the upload was refused: ${answer.status}`);
  },
  async get(url, maxBytes) {
    const answer = await fetch(url);
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
  },
};
