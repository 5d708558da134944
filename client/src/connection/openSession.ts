/** Opens sockets until one is registered: proof, `hello`, and the remedies of protocol/PROTOCOL.md, each once. */
import type { Answer, Push } from "@tacit/protocol";
import { TacitError } from "../errors.ts";
import type { Clock, Transport } from "../ports.ts";
import { LostAnswer, openRelaySocket, Refused, type Bye, type RelaySocket } from "./relaySocket.ts";
import type { ServerTime } from "./serverTime.ts";

export type Hello = Answer<"hello">;

export interface Session {
  readonly socket: RelaySocket;
  readonly hello: Hello;
}

/** What all sockets of a connection have in common. */
export interface SocketSource {
  readonly transport: Transport;
  readonly clock: Clock;
  /** How many times longer than usual its sockets wait for what does not come. Default: 1. */
  readonly patience?: number | undefined;
  readonly url: string;
  /** Token and proof for a connection that opens at `now`, the server's time. @throws TacitError */
  readonly protocols: (now: number) => Promise<readonly string[]>;
  /** The socket was registered: says whether it can be used, or must be opened anew. @throws TacitError to stay away */
  readonly welcomed: (hello: Hello, socket: RelaySocket) => Promise<"use" | "again">;
  readonly push: (push: Push) => void;
}

export interface SessionOptions extends SocketSource {
  readonly time: ServerTime;
  /** Ends it, and every socket that it opened. */
  readonly signal: AbortSignal;
  /** Ends it while no socket has opened. */
  readonly giveUp: AbortSignal;
  readonly opened: () => void;
  /** `hello` is about to be said: the relay closes the socket before as soon as it reads it. */
  readonly takingOver: () => Promise<void>;
  readonly closed: (socket: RelaySocket, bye: Bye | undefined) => void;
}

/** @throws Refused, LostAnswer, TacitError */
export async function openSession(options: SessionOptions): Promise<Session> {
  // A server that asks for the same again gets the backoff.
  const remedied = new Set<string>();
  for (;;) {
    const socket = await openOne(options);
    try {
      const hello = await greet(options, socket, remedied);
      const verdict = hello && (await options.welcomed(hello, socket));
      requireWanted(options.signal);
      if (hello !== undefined && verdict === "use") return { socket, hello };
      if (verdict === "again" && remedied.has(verdict)) {
        throw new TacitError("internal", "the relay does not know this device");
      }
      if (verdict === "again") remedied.add(verdict);
      socket.close();
    } catch (error) {
      socket.close();
      throw error;
    }
  }
}

async function openOne(options: SessionOptions): Promise<RelaySocket> {
  const { transport, clock, patience, time, url, signal, giveUp, push } = options;
  const protocols = await options.protocols(time.now());
  requireWanted(signal);
  let socket: RelaySocket | undefined;
  socket = await openRelaySocket({
    transport,
    clock,
    patience,
    url,
    protocols,
    signal,
    giveUp,
    push: (one) => {
      if (!signal.aborted) push(one);
    },
    closed: ({ bye }) => {
      if (socket !== undefined && !signal.aborted) options.closed(socket, bye);
    },
  });
  options.opened();
  return socket;
}

/** Undefined: it was refused and the reason mended, so another socket may do. */
async function greet(
  { time, takingOver, signal }: SessionOptions,
  socket: RelaySocket,
  remedied: Set<string>,
): Promise<Hello | undefined> {
  await takingOver();
  requireWanted(signal);
  try {
    const hello = await socket.request("hello", {});
    time.learn(hello.serverTime);
    return hello;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const { code, serverTime } = error.refusal;
    if (serverTime !== undefined) time.learn(serverTime);
    const isMended = code === "clock_skew" ? serverTime !== undefined : renewable.has(code);
    if (code === "token_expired" && remedied.has(code)) {
      throw new TacitError("token_failed", "the token callback returns tokens that have ended");
    }
    if (!isMended || remedied.has(code)) throw error;
    remedied.add(code);
    return undefined;
  }
}

/** A fresh proof, a fresh token. */
const renewable: ReadonlySet<string> = new Set(["proof_replayed", "token_expired", "lease_expired"]);

function requireWanted({ aborted }: AbortSignal): void {
  if (aborted) throw new LostAnswer("the connection is not wanted any more");
}
