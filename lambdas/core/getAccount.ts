/** `getAccount`: the current record of an account, as its owner signed it, and the relay's receipt for it. */
import type { Request } from "@tacit/protocol";
import type { Caller } from "./caller.ts";
import type { Done } from "./done.ts";
import { receiptOf } from "./receipt.ts";
import type { Relay } from "./relay.ts";
import { Refused } from "./refused.ts";

export const unknownAccount = (): Refused => new Refused("unknown_account", "no such account");

export async function getAccount(
  relay: Relay,
  caller: Caller,
  { account }: Request<"getAccount">,
): Promise<Done<"getAccount">> {
  // Whoever has not entered an account yet looks at none but that one.
  if (caller.scope !== "full" && account !== caller.account) {
    throw new Refused("out_of_scope", "this device has no certificate yet");
  }
  const stored = await relay.directory.get(account);
  if (stored === undefined) throw unknownAccount();
  return { answer: { record: stored.signed, receipt: await receiptOf(relay, account, stored) } };
}
