/** Steps that stay synchronous where their provider is, so that a synchronous provider costs no microtasks. */
import type { MaybePromise } from "./cipherSuite.ts";

/** Any thenable: a provider's promises may come from another realm. */
function isPromise<T>(value: MaybePromise<T>): value is Promise<T> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}

/** `step(value)`, at once where `value` is no promise. */
export function chain<T, U>(value: MaybePromise<T>, step: (value: T) => MaybePromise<U>): MaybePromise<U> {
  return isPromise(value) ? value.then(step) : step(value);
}
