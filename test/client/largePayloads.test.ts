/** Payloads that go by blob, and how many of them are held at a time. */
import { connect } from "@tacit/client";
import { memoryStore } from "@tacit/client/memory";
import { encodeBase64Url, limits } from "@tacit/protocol";
import { createHash } from "node:crypto";
import { received, sendableTogether, type PayloadDeps } from "../../client/src/payloads.ts";
import { largestPayload } from "../../client/src/session/payloadSize.ts";
import { provider } from "./support/devices.ts";
import { stage, take } from "./support/stage.ts";
import { stranger } from "./support/stranger.ts";
import { options, watched } from "./support/trouble.ts";

describe("large payloads", () => {
  const uploads: Uint8Array[] = [];
  const deps = (asked: string[]): PayloadDeps => ({
    connection: {
      request: async (operation) => {
        asked.push(operation);
        return { url: "memory:", headers: {} } as never;
      },
    },
    blobs: {
      put: (_url, _headers, body) => Promise.resolve(void uploads.push(body)),
      get: () => Promise.resolve(undefined),
    },
    provider,
  });

  it("above the limit are not even asked for", async () => {
    const asked: string[] = [];
    const hash = encodeBase64Url(createHash("sha256").digest());
    expect(await received(deps(asked), { blob: { hash, size: largestPayload + 1 } })).toBeUndefined();
    expect(asked).toEqual([]);
  });

  it("of one request leave its frame as soon as they do not fit together", async () => {
    const parts = [9_000, 8_000, 7_000, 6_000].map((length) => new Uint8Array(length));
    const room = limits.requestFrame - 4_000;
    const payloads = await sendableTogether(deps([]), parts, room);
    expect(payloads.map((payload) => "blob" in payload)).toEqual([true, false, false, false]);
    expect(uploads).toEqual([parts[0]]);
  });

  it("that would break the frame are refused before the platform closes the socket over them", async () => {
    const s = stage();
    const { socket } = await stranger(s, "mallory");
    const payload = { inline: "A".repeat(limits.requestFrame) };
    const request = socket.request("append", { conversation: "d-x", turn: 1, entries: [{ id: "x", payload }] });
    await expect(request).rejects.toMatchObject({ refusal: { code: "frame_too_large", retryable: false } });
    expect(socket.isOpen).toBe(true);
    socket.close();
  });

  it("of one page are applied before more of them are fetched than a device should hold", async () => {
    const s = stage();
    const events: string[] = [];
    const { blobs } = s.relay;
    const get: typeof blobs.get = (...args) => {
      events.push("get");
      return blobs.get(...args);
    };
    const store = watched(
      memoryStore(),
      (keys) => void events.push(...(keys.some((key) => key.startsWith("t/")) ? ["applied"] : [])),
    );
    const alice = await s.arrive("alice");
    const bob = await s.clock.until(connect({ ...options(s, "bob", { store }), blobs: { ...blobs, get } }));
    const chat = await s.clock.until(alice.conversation({ with: ["bob"] }));
    await s.clock.settle();
    bob.goOffline();
    const text = "x".repeat(250_000);
    for (let i = 0; i < 12; i++) await s.clock.until((await s.clock.until(chat.send({ text }))).sent);
    events.length = 0;
    bob.goOnline();
    await s.clock.until(bob.caughtUp());
    expect(await s.clock.until(take(bob.conversations()[0]!, 12))).toHaveLength(12);
    const held = events
      .join(" ")
      .split("applied")
      .map((part) => part.split("get").length - 1);
    expect(held.reduce((sum, count) => sum + count)).toBe(12);
    expect(Math.max(...held)).toBeLessThanOrEqual(5);
    await alice.close();
    await bob.close();
  });
});
