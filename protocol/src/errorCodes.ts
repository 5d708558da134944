/**
 * Why the relay refused. `retryable` says whether the same request may succeed later without the application doing
 * anything; what the client has to do in between stands in PROTOCOL.md.
 */
export const errorCodes = {
  /** The frame is not JSON, not of the operation's shape, or a field breaks a rule that the shape cannot say. */
  malformed: { retryable: false },
  unknown_operation: { retryable: false },
  frame_too_large: { retryable: false },
  /** The socket's scope does not reach this operation: the device has no certificate under its account yet. */
  out_of_scope: { retryable: false },
  /** The socket is not registered (any more): say `hello` and repeat. */
  not_registered: { retryable: true },
  /** A newer socket of this device took over. */
  superseded: { retryable: false },
  device_revoked: { retryable: false },
  /** Token or two hours are over: connect again. */
  lease_expired: { retryable: true },
  token_expired: { retryable: true },
  /** The device's clock is off by more than a minute: set it by `serverTime` and connect again. */
  clock_skew: { retryable: true },
  proof_replayed: { retryable: true },
  /** Not on the roster, or no such conversation: the two are not told apart. */
  not_a_member: { retryable: false },
  /** The turn has moved on: read up to `turn`, then send anew. */
  stale: { retryable: false },
  conversation_exists: { retryable: false },
  /** Too much happens at once in this conversation. */
  busy: { retryable: true },
  invalid_roster: { retryable: false },
  /** A Welcome names a claim that the caller does not hold or has used. */
  key_package_not_claimed: { retryable: false },
  unknown_account: { retryable: false },
  record_invalid: { retryable: false },
  /** The record is not the successor of the one that the Directory holds. */
  record_conflict: { retryable: false },
  blob_missing: { retryable: false },
  limit_exceeded: { retryable: false },
  rate_limited: { retryable: true },
  /** A bug or an outage; quote `requestId`. */
  internal: { retryable: true },
} as const satisfies Record<string, { readonly retryable: boolean }>;

export type ErrorCode = keyof typeof errorCodes;

/**
 * WebSocket close codes that a client meets. API Gateway offers a backend no way to choose one, so the reason comes
 * in a `bye` frame just before; a close without one is the platform's own.
 */
export const closeCodes = {
  /** DeleteConnection, or the client's own end. */
  normal: 1000,
  /** Ten idle minutes or two hours are over. */
  goingAway: 1001,
  /** A binary frame was sent. */
  unsupportedData: 1003,
  /** The connection broke. */
  abnormal: 1006,
  /** A frame above 32 KB or a message above 128 KB. */
  tooLarge: 1009,
} as const;
