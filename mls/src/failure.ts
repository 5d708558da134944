/** The two kinds of failure: one that every member sees alike, and one that concerns this device alone. */
import { MlsError, type MlsErrorCode } from "./mlsError.ts";

/** The input is bad, and every member in the same epoch finds it so. */
export function invalid(code: MlsErrorCode, message: string): MlsError {
  return new MlsError(code, message, { everyone: true });
}

/** This device lacks something, or was treated differently from others. */
export function local(code: MlsErrorCode, message: string): MlsError {
  return new MlsError(code, message);
}

/** The caller asked for what cannot be. */
export function misuse(message: string): MlsError {
  return new MlsError("invalid_argument", message);
}
