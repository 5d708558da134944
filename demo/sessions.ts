/** Pages that are open: each has two accounts of its own, and gets tokens for these alone. */
import { randomBytes } from "node:crypto";
import type { CloudEvent, DemoSession, Side } from "./cloudEvents.ts";
import { observe, type ObservedCloud } from "./observer.ts";

export type Session = {
  readonly public: DemoSession;
  token(side: Side): Promise<string>;
  /** Tells every event after the one with this number, then those to come; returns how to stop. */
  follow(after: number, listener: (number: number, event: CloudEvent) => void): () => void;
  close(): void;
};

export type Sessions = { open(): Session; find(id: string): Session | undefined; close(): void };

/** A page that is reloaded leaves its session behind: the oldest go. */
const keptSessions = 16;
/** A page that lost its connection gets what it missed, up to this many events. */
const keptEvents = 5_000;

export function createSessions(cloud: ObservedCloud, audience: string): Sessions {
  const sessions = new Map<string, Session>();
  return {
    open() {
      const session = createSession(cloud, audience);
      sessions.set(session.public.id, session);
      const [oldest] = sessions.values();
      if (sessions.size > keptSessions && oldest !== undefined) {
        sessions.delete(oldest.public.id);
        oldest.close();
      }
      return session;
    },
    find: (id) => sessions.get(id),
    close() {
      for (const session of sessions.values()) session.close();
      sessions.clear();
    },
  };
}

function createSession(cloud: ObservedCloud, audience: string): Session {
  const suffix = randomBytes(3).toString("hex");
  const accounts = { alice: `alice-${suffix}`, bob: `bob-${suffix}` };
  const listeners = new Set<(number: number, event: CloudEvent) => void>();
  const events: CloudEvent[] = [];
  let dropped = 0;
  const stop = observe(cloud, accounts, (event) => {
    events.push(event);
    if (events.length > keptEvents) {
      events.shift();
      dropped++;
    }
    for (const listener of listeners) listener(dropped + events.length, event);
  });
  return {
    public: { id: randomBytes(16).toString("base64url"), url: cloud.url, accounts },
    token: (side) => cloud.issueToken({ sub: accounts[side], audience }),
    follow(after, listener) {
      const skipped = Math.max(0, after - dropped);
      events.slice(skipped).forEach((event, index) => listener(dropped + skipped + index + 1, event));
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close() {
      stop();
      listeners.clear();
    },
  };
}
