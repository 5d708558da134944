/** The one error of the engine: a stable `code` that narrows, and who would see it. */
export class MlsError extends Error {
  readonly code: MlsErrorCode;
  /** True where every member of the group evaluating the same input would see the same failure (Tacit: a void commit). */
  readonly everyone: boolean;

  constructor(
    code: MlsErrorCode,
    message: string,
    options: { readonly everyone?: boolean; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "MlsError";
    this.code = code;
    this.everyone = options.everyone ?? false;
  }
}

/** Grows as the engine does; each code is documented where it is thrown. */
export type MlsErrorCode =
  | "decode_failed"
  | "invalid_argument"
  | "unsupported"
  | "aead_failed"
  | "hpke_failed"
  | (string & { readonly mlsErrorCode?: never });
