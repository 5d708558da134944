/** The application's token callback, made safe: one call at a time, none waited for without end, and what it answers looked at. */
import { TacitError } from "../errors.ts";
import type { Clock } from "../ports.ts";

/** Milliseconds that one connection waits. The call goes on: a user may be typing a password in it. */
const patience = 30_000;
/** Milliseconds after which a call that never answered is given up, and another one is made. */
const longestCall = 5 * 60_000;
/** The characters of a JWT (RFC 7515, section 7.1): any other would not pass through `Sec-WebSocket-Protocol`. */
const jwt = /^[\w-]+(\.[\w-]*)*$/;

/** @returns asks for a token; it rejects with TacitError `token_failed` */
export function tokenSource(clock: Clock, callback: () => string | Promise<string>): () => Promise<string> {
  let pending: Promise<string> | undefined;

  function call(): Promise<string> {
    const asked = new Promise<string>((resolve) => resolve(callback()));
    const giveUp = clock.after(longestCall, () => forget());
    const forget = (): void => {
      giveUp();
      if (pending === asked) pending = undefined;
    };
    asked.then(forget, forget);
    return (pending = asked);
  }

  return async () => {
    let cancel = (): void => {};
    const late = new Promise<never>((_, reject) => {
      cancel = clock.after(patience, () =>
        reject(new TacitError("token_failed", "the token callback does not answer")),
      );
    });
    try {
      const token: unknown = await Promise.race([pending ?? call(), late]);
      if (typeof token === "string" && jwt.test(token)) return token;
    } catch (cause) {
      throw cause instanceof TacitError
        ? cause
        : new TacitError("token_failed", "the token callback failed", { cause });
    } finally {
      cancel();
    }
    throw new TacitError("token_failed", "the token callback returned no token");
  };
}
