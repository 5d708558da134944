/**
 * The version of the wire. A change that an older peer could not follow raises it; `protocolHash.test.ts` breaks
 * when any schema changes, so that nobody does so by accident.
 *
 * - 1: the first.
 */
export const protocolVersion = 1;

/** The WebSocket subprotocol that a client offers and the server echoes (RFC 6455, section 1.9). */
export const subprotocol = "tacit.v1";

/** Prefixes of the two further entries of `Sec-WebSocket-Protocol`: browsers cannot set headers. */
export const tokenSubprotocolPrefix = "tacit.token.";
export const proofSubprotocolPrefix = "tacit.proof.";
