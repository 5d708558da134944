/** Messaging Layer Security (RFC 9420): every operation is a function of (state, input); nothing is mutated. */
export * from "./api.ts";
