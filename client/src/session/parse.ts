/** Parsing by the wire's schemas, without depending on the library that they are written in. */
import { decodeBase64Url, isBase64Url } from "@tacit/protocol";

interface Schema<T> {
  readonly "~standard": {
    readonly validate: (value: unknown) => unknown;
    readonly types?: { readonly output: T } | undefined;
  };
}

/** Undefined where `value` is not of the schema. By the Standard Schema interface, which valibot implements. */
export function parse<T>(schema: Schema<T>, value: unknown): T | undefined {
  const result = schema["~standard"].validate(value) as { readonly issues?: unknown; readonly value?: T };
  return result.issues === undefined ? result.value : undefined;
}

/** The bytes of canonical base64url. Undefined where it is none. */
export function bytesOf(value: unknown): Uint8Array | undefined {
  return typeof value === "string" && isBase64Url(value) ? decodeBase64Url(value) : undefined;
}
