/** People with clients over the relay's own rules, in one process and in a time of their own. */
import {
  connect,
  type BlobTransfer,
  type Client,
  type Conversation,
  type Message,
  type RenewalPace,
  type Store,
  type TimelineItem,
  type Transport,
} from "@tacit/client";
import { memoryStore } from "@tacit/client/memory";
import { cipherSuites } from "@tacit/mls";
import { fakeClock, type FakeClock } from "./fakeClock.ts";
import { inProcessRelay, type InProcessRelay } from "./inProcessRelay.ts";

/** The classical suite: these tests are about states, and make many key packages. */
export const suite = cipherSuites.MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;

export interface Stage {
  readonly clock: FakeClock;
  readonly relay: InProcessRelay;
  /** Connects and catches up. */
  readonly arrive: (
    account: string,
    more?: {
      readonly store?: Store;
      readonly transport?: Transport;
      readonly blobs?: BlobTransfer;
      readonly renewals?: RenewalPace;
    },
  ) => Promise<Client>;
}

export function stage(): Stage {
  const clock = fakeClock();
  const relay = inProcessRelay(clock);
  return {
    clock,
    relay,
    async arrive(account, { store = memoryStore(), transport = relay.transport, blobs = relay.blobs, renewals } = {}) {
      const { url } = relay;
      const client = await clock.until(
        connect({
          url,
          token: relay.token(account),
          store,
          suite,
          transport,
          blobs,
          clock,
          ...(renewals && { renewals }),
        }),
      );
      await clock.until(client.caughtUp());
      return client;
    },
  };
}

/** The first `count` messages, history or live. */
export async function take(conversation: Conversation, count: number): Promise<readonly Message[]> {
  const messages: Message[] = [];
  if (count === 0) return messages;
  for await (const message of conversation.messages()) if (messages.push(message) === count) break;
  return messages;
}

/** What the timeline holds by now. */
export async function history(conversation: Conversation): Promise<readonly TimelineItem[]> {
  const items: TimelineItem[] = [];
  const end = new AbortController();
  const iteration = conversation.timeline({ signal: end.signal })[Symbol.asyncIterator]();
  for (;;) {
    const next = iteration.next();
    const over = await Promise.race([next, new Promise<undefined>((resolve) => setImmediate(resolve, undefined))]);
    if (over === undefined || over.done === true) break;
    items.push(over.value);
  }
  end.abort();
  return items;
}

/** The next conversation that somebody else opens. */
export function invitation(client: Client): Promise<Conversation> {
  return new Promise((resolve) => {
    const end = client.on("conversation", (conversation) => {
      end();
      resolve(conversation);
    });
  });
}
