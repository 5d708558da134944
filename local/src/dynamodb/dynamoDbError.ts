/** An answer of DynamoDB that is not success. Errors of dynalite have the same `statusCode` and `body`. */
export class DynamoDbError extends Error {
  readonly statusCode = 400;
  readonly body: ErrorAnswer["body"];

  constructor(type: string, message: string, details: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.body = { __type: `com.amazonaws.dynamodb.v20120810#${type}`, message, ...details };
  }
}

export interface ErrorAnswer {
  readonly statusCode: number;
  readonly body: Readonly<Record<string, unknown>> & { readonly __type: string; readonly message?: string };
}

/** The answer that an error carries, or null when it is a fault of the local cloud itself. */
export function errorAnswer(error: unknown): ErrorAnswer | null {
  const { statusCode, body } = error as Partial<ErrorAnswer>;
  return typeof statusCode === "number" && body !== undefined ? { statusCode, body } : null;
}

/** `ConditionalCheckFailedException`, for instance. */
export function errorType(error: unknown): string | null {
  return errorAnswer(error)?.body.__type.replace(/^.*#/, "") ?? null;
}
