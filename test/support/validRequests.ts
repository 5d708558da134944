/** One well-formed request of each operation, about things that do not exist. */
import { encodeBase64Url, type Operation } from "@tacit/protocol";

export const b64 = (length: number, fill = 7) => encodeBase64Url(new Uint8Array(length).fill(fill));
export const direct = `d-${b64(32)}`;
const entryId = b64(16);
const payload = { inline: b64(100) };
const blob = { hash: b64(32), size: 10 };

export const validRequests: Record<Operation, Record<string, unknown>> = {
  hello: {},
  putAccount: { record: { payload: b64(40), signature: b64(64) } },
  getAccount: { account: "alice" },
  publishKeyPackages: { keyPackages: [{ hash: b64(32), data: b64(300), notAfter: 4_000_000_000 }] },
  countKeyPackages: {},
  claimKeyPackages: { account: "auth0|bob" },
  createConversation: {
    conversation: direct,
    entry: entryId,
    payload,
    welcomes: [{ device: b64(32), claim: b64(22), payload: { blob } }],
    blobs: [blob],
    roster: ["alice", "bob"],
    generation: 0,
  },
  commit: {
    conversation: direct,
    entry: entryId,
    payload,
    welcomes: [],
    blobs: [],
    turn: 3,
    after: 7,
    add: [],
    remove: ["bob"],
  },
  propose: { conversation: direct, entry: entryId, payload, turn: 1, leave: false },
  append: { conversation: direct, turn: 1, entries: [{ id: entryId, payload }] },
  read: { conversation: direct, after: 0 },
  stageWelcomes: {
    conversation: direct,
    entry: entryId,
    welcomes: [{ device: b64(32), claim: b64(22), payload: { blob } }],
  },
  readInbox: {},
  acknowledgeInbox: { ids: [b64(22)] },
  sendInbox: { account: "bob", device: b64(32), message: entryId, payload },
  putBackup: { expected: 0, manifest: b64(64), blobs: [blob] },
  getBackup: {},
  signal: { conversation: direct, payload: b64(64) },
  uploadBlob: blob,
  downloadBlob: { hash: b64(32) },
};
