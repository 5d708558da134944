/** Limits of the wire. Bytes unless said; those of API Gateway are platform facts, the others are ours. */
export const limits = {
  /** API Gateway: a client's message is one frame. */
  requestFrame: 32_768,
  /** API Gateway: a message from the server, 128 KB. */
  answerFrame: 131_072,
  /** A payload carried in a frame; anything larger goes by blob. Leaves room for base64url and the fields around it. */
  inlinePayload: 16_384,
  /** What one page of `conversation.read` or `inbox.read` carries in payload, so that the answer fits its frame. */
  pagePayload: 65_536,
  pageEntries: 100,
  /** A doorbell carries entries up to this size (one billed unit of 32 KB), else only where they are. */
  pushFrame: 30_000,
  blob: 64 * 1024 * 1024,
  /** Entries in one `conversation.append`. */
  appendEntries: 10,
  /** Accounts on one conversation's roster. */
  roster: 1_000,
  /** Accounts added or removed by one commit. */
  rosterDelta: 250,
  /** Welcomes that one commit, or one call of `stageWelcomes`, carries; a transaction holds 100 items. */
  welcomes: 60,
  /** Welcomes staged for one commit. */
  stagedWelcomes: 1_000,
  /** What one device sends to another through the inbox, inline; anything larger goes by blob. */
  inboxPayload: 8_192,
  /** Items of an inbox that one request acknowledges: DynamoDB deletes so many at a time. A page has more. */
  acknowledgements: 25,
  /** The sealed index of a backup. */
  backupManifest: 16_384,
  /** Blobs that one backup refers to. */
  backupBlobs: 64,
  /** Blobs that one entry refers to. */
  blobs: 4,
  devicesPerAccount: 50,
  accountRecord: 24_000,
  keyPackage: 12_000,
  keyPackagesPerFrame: 25,
  keyPackagesPerDevice: 200,
  /** Accounts in a conversation above which signals are not rung. */
  signalAccounts: 50,
  signalPayload: 4_096,
  /** Milliseconds after which a silent socket should say `hello` again: API Gateway closes at ten minutes. */
  keepAlive: 9 * 60_000,
  /** Milliseconds that one connection may live: API Gateway's two hours. */
  connectionLifetime: 2 * 60 * 60_000,
  /** Milliseconds of clock difference that a proof of possession may show. */
  clockSkew: 60_000,
} as const;
