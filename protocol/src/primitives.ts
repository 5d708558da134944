/** The vocabulary that all frames share. Bytes travel as base64url without padding. */
import * as v from "valibot";
import { base64UrlLength, isBase64Url } from "./base64url.ts";
import { limits } from "./limits.ts";

/** base64url of between `min` and `max` bytes. */
export function bytes(min: number, max: number) {
  return v.pipe(
    v.string(),
    v.maxLength(Math.ceil((max * 4) / 3)),
    v.check(
      (text) => isBase64Url(text) && base64UrlLength(text) >= min && base64UrlLength(text) <= max,
      `${min} to ${max} bytes`,
    ),
  );
}

/** A SHA-256 hash. */
export const hash = bytes(32, 32);

/** What the configured claim of the identity provider's token says: printable ASCII without blanks. */
export const accountId = v.pipe(v.string(), v.regex(/^[\x21-\x7e]{1,128}$/));

/** The JWK thumbprint (RFC 7638) of the device key. */
export const deviceId = bytes(32, 32);

/** `d-` and a hash for a direct conversation (see `directConversationName`), `g-` and 16 random bytes for a group. */
export const conversationId = v.pipe(v.string(), v.regex(/^(d-[A-Za-z0-9_-]{43}|g-[A-Za-z0-9_-]{22})$/));

/** Chosen by the sender, random. It recognises a retry; readers never trust it. */
export const entryId = bytes(16, 16);

export const requestId = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{1,32}$/));

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** Place of an entry in its log, from 1. They grow, but not always by one: `prev` names the entry before. */
export const seq = count;

/** Number of commits in the log so far. */
export const turn = count;

/** Milliseconds since 1970, the server's clock. */
export const time = count;

export const blobReference = v.strictObject({
  /** SHA-256 of the blob, which is its name. */
  hash,
  size: v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(limits.blob)),
});
export type BlobReference = v.InferOutput<typeof blobReference>;

export const inlinePayload = bytes(1, limits.inlinePayload);

/** What an entry or a Welcome carries: the bytes, or where they are. */
export const payload = v.union([v.strictObject({ inline: inlinePayload }), v.strictObject({ blob: blobReference })]);
export type Payload = v.InferOutput<typeof payload>;
