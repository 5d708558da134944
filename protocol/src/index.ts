/** The wire of Tacit: see PROTOCOL.md. */
export * from "./accountRecord.ts";
export * from "./base64url.ts";
export * from "./conversation.ts";
export * from "./entry.ts";
export * from "./errorCodes.ts";
export * from "./frames.ts";
export * from "./limits.ts";
export * from "./operations.ts";
export { inboxItem, type InboxItem } from "./operations/readInbox.ts";
export * from "./primitives.ts";
export * from "./proof.ts";
export * from "./version.ts";
