/** Names of the environment variables that `lib` sets and the handlers read. A grant and its variable are added together. */
export const env = {
  logTable: "TACIT_LOG_TABLE",
  conversationsTable: "TACIT_CONVERSATIONS_TABLE",
  inboxTable: "TACIT_INBOX_TABLE",
  directoryTable: "TACIT_DIRECTORY_TABLE",
  connectionsTable: "TACIT_CONNECTIONS_TABLE",
  blobBucket: "TACIT_BLOB_BUCKET",
  /** https://… of @connections. */
  callbackEndpoint: "TACIT_CALLBACK_ENDPOINT",
  /** wss://… that clients connect to: the `htu` of their proofs. */
  socketUrl: "TACIT_SOCKET_URL",
  oidcIssuer: "TACIT_OIDC_ISSUER",
  oidcAudience: "TACIT_OIDC_AUDIENCE",
  /** The claim of the token that names the account. */
  oidcAccountClaim: "TACIT_OIDC_ACCOUNT_CLAIM",
  /** Days an entry is kept. */
  retentionDays: "TACIT_RETENTION_DAYS",
  /** Key packages that one account may claim in an hour. */
  claimsPerHour: "TACIT_CLAIMS_PER_HOUR",
  /** Messages that one device may append in a minute. */
  messagesPerMinute: "TACIT_MESSAGES_PER_MINUTE",
  /** The queue of large fan-outs. */
  bellQueueUrl: "TACIT_BELL_QUEUE_URL",
  /** The KMS key that signs receipts. */
  receiptKeyId: "TACIT_RECEIPT_KEY_ID",
} as const;
