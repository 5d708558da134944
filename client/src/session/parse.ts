/** Parsing by the wire's schemas, without depending on the library that they are written in. */

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
