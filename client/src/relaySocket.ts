/** One socket to the relay: requests and their answers, pushes, and how it ended (protocol/PROTOCOL.md). */
import {
  limits,
  parseAnswer,
  parseServerFrame,
  type Answer,
  type Operation,
  type Push,
  type Refusal,
  type Request,
} from "@tacit/protocol";
import type { Clock, Transport } from "./ports.ts";
import { utf8 } from "./session/bytes.ts";

/** The relay said no, and why. */
export class Refused extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(`the relay refused: ${refusal.code}`);
    this.name = "Refused";
    this.refusal = refusal;
  }
}

/** Nobody knows whether the request was carried out. */
export class LostAnswer extends Error {
  constructor(why: string) {
    super(why);
    this.name = "LostAnswer";
  }
}

export type Bye = Extract<Push, { push: "bye" }>["code"];

export interface RelaySocket {
  /** @throws Refused, LostAnswer */
  request<O extends Operation>(operation: O, fields: Request<O>): Promise<Answer<O>>;
  /** Lets answers that are on their way arrive, then closes. */
  drain(): void;
  close(): void;
  readonly isOpen: boolean;
  /** Why the relay ended it, where it said so. */
  readonly bye: Bye | undefined;
}

export interface RelaySocketOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly url: string;
  readonly protocols: readonly string[];
  /** Ends it, or its opening. */
  readonly signal: AbortSignal;
  readonly push: (push: Push) => void;
  /** Once, after it was open. */
  readonly closed: (ending: { readonly code: number; readonly bye: Bye | undefined }) => void;
}

/** Longer than the relay's functions may run, so that a late answer is not taken for a lost one. */
const answerTimeout = 15_000;
const openTimeout = 20_000;

const frameTooLarge: Refusal = { code: "frame_too_large", retryable: false, message: "a request is one frame" };

/** @throws LostAnswer where it does not open */
export function openRelaySocket(options: RelaySocketOptions): Promise<RelaySocket> {
  const { clock } = options;
  const waiting = new Map<
    string,
    { readonly frame: (frame: AnswerFrame) => void; readonly lost: (why: string) => void }
  >();
  let nextId = 1;
  let state: "opening" | "open" | "closed" = "opening";
  let isDraining = false;
  let bye: Bye | undefined;

  return new Promise((resolve, reject) => {
    const abort = (): void => end(1000);
    options.signal.addEventListener("abort", abort);
    const stopWaiting = clock.after(openTimeout, () => end(1006));
    const socket = options.transport.open(options.url, options.protocols, {
      opened() {
        if (state !== "opening") return;
        stopWaiting();
        state = "open";
        resolve(relaySocket);
      },
      message: receive,
      closed: end,
    });

    function end(code: number): void {
      if (state === "closed") return;
      const wasOpen = state === "open";
      state = "closed";
      stopWaiting();
      options.signal.removeEventListener("abort", abort);
      socket.close();
      loseAll("the connection ended");
      if (wasOpen) options.closed({ code, bye });
      else reject(new LostAnswer(`the socket did not open (${code})`));
    }

    function receive(text: string): void {
      if (state !== "open") return;
      const frame = parseServerFrame(text);
      switch (frame.kind) {
        case "ok":
          waiting.get(frame.id)?.frame(frame);
          return;
        case "error":
          // Without an id the relay could not parse a frame: it does not say which.
          if (frame.id === null) loseAll("the relay could not parse a frame");
          else waiting.get(frame.id)?.frame(frame);
          return;
        case "push":
          if (frame.push.push === "bye") bye = frame.push.code;
          options.push(frame.push);
          return;
        case "platformError":
          loseAll("the platform failed");
          return;
        case "unknown":
          return;
      }
    }

    function loseAll(why: string): void {
      for (const { lost } of [...waiting.values()]) lost(why);
    }

    const relaySocket: RelaySocket = {
      get isOpen() {
        return state === "open" && !isDraining;
      },
      get bye() {
        return bye;
      },
      request<O extends Operation>(operation: O, fields: Request<O>): Promise<Answer<O>> {
        if (state !== "open") return Promise.reject(new LostAnswer("there is no connection"));
        const id = String(nextId++);
        const text = JSON.stringify({ id, op: operation, ...fields });
        // The platform would close the socket over it, and its sender would repeat it for ever.
        if (utf8(text).length > limits.requestFrame) return Promise.reject(new Refused(frameTooLarge));
        return new Promise<Answer<O>>((answered, failed) => {
          const cancel = clock.after(answerTimeout, () => {
            // A socket that does not answer is half open.
            end(1006);
          });
          const done = (): void => {
            cancel();
            waiting.delete(id);
            if (isDraining && waiting.size === 0) end(1000);
          };
          waiting.set(id, {
            frame(frame) {
              done();
              if (frame.kind === "error") return failed(new Refused(frame.error));
              const answer = parseAnswer(operation, frame.body);
              if (answer === undefined) failed(new LostAnswer("the answer has another shape"));
              else answered(answer);
            },
            lost(why) {
              done();
              failed(new LostAnswer(why));
            },
          });
          socket.send(text);
        });
      },
      drain() {
        isDraining = true;
        if (waiting.size === 0) end(1000);
      },
      close: () => end(1000),
    };
  });
}

type AnswerFrame = Extract<ReturnType<typeof parseServerFrame>, { kind: "ok" | "error" }>;
