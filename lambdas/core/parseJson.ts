/** Parses signed bytes: UTF-8 JSON of the shape that `schema` says, or undefined. */

/** What valibot's schemas offer (https://standardschema.dev), without knowing valibot. */
type Schema<T> = {
  readonly "~standard": {
    readonly validate: (
      value: unknown,
    ) =>
      { readonly value: T; readonly issues?: undefined } | { readonly issues: readonly unknown[] } | Promise<unknown>;
  };
};

export function parseJson<T>(schema: Schema<T>, bytes: Uint8Array): T | undefined {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
  return parse(schema, value);
}

export function parse<T>(schema: Schema<T>, value: unknown): T | undefined {
  const result = schema["~standard"].validate(value);
  return "value" in result && result.issues === undefined ? result.value : undefined;
}
