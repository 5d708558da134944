/** A store, a relay and options that make trouble. */
import type { Store } from "@tacit/client";
import { suite, type Stage } from "./stage.ts";

/** `store`, told of each commit before it happens. */
export function watched(store: Store, committing: (keys: readonly string[]) => Promise<void> | void): Store {
  return {
    ...store,
    async commit(writes) {
      await committing(writes.map(({ key }) => key));
      await store.commit(writes);
    },
  };
}

export function options({ relay, clock }: Stage, account: string, more: { readonly store: Store }) {
  const { url, transport, blobs } = relay;
  return {
    url,
    token: relay.token(account) as () => string | Promise<string>,
    suite,
    transport,
    blobs,
    clock,
    ...more,
  };
}

/** Refuses the first request `op` of `account`. */
export function refuseOnce({ relay }: Stage, account: string, op: string, code: string): void {
  let isDone = false;
  relay.filter = ({ direction, frame, deliver, ...by }) => {
    if (isDone || direction !== "up" || by.account !== account || frame.op !== op) return true;
    isDone = true;
    deliver(JSON.stringify({ id: frame["id"], error: { code, retryable: false, message: "" } }));
    return false;
  };
}
