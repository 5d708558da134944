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
import type { Clock, Transport } from "../ports.ts";
import { utf8 } from "../session/bytes.ts";

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

/** It never opened: nothing was sent, so nothing is in doubt. */
export class NotOpened extends LostAnswer {
  /** HTTP status of the upgrade that was refused, where the platform shows it. */
  readonly status: number | undefined;
  /** Nothing came at all: that is a network, not a refusal. */
  readonly timedOut: boolean;

  constructor(why: string, { status, timedOut }: { readonly status: number | undefined; readonly timedOut: boolean }) {
    super(why);
    this.name = "NotOpened";
    this.status = status;
    this.timedOut = timedOut;
  }
}

export type Bye = Extract<Push, { push: "bye" }>["code"];

export interface RelaySocket {
  /** @throws Refused, LostAnswer */
  request<O extends Operation>(operation: O, fields: Request<O>): Promise<Answer<O>>;
  /** Whether a request is unanswered. */
  readonly isBusy: boolean;
  /** Resolves when none is. */
  settled(): Promise<void>;
  /** Lets answers that are on their way arrive, then closes. */
  drain(): void;
  close(): void;
  readonly isOpen: boolean;
  /** When anything was last heard on it, by the clock. */
  readonly heardAt: number;
  /** Why the relay ended it, where it said so. */
  readonly bye: Bye | undefined;
}

export interface RelaySocketOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  /** How many times longer than usual it waits for what does not come. Default: 1. */
  readonly patience?: number | undefined;
  readonly url: string;
  readonly protocols: readonly string[];
  /** Ends it, or its opening. */
  readonly signal: AbortSignal;
  /** Ends its opening alone. */
  readonly giveUp?: AbortSignal;
  readonly push: (push: Push) => void;
  /** Once, after it was open. */
  readonly closed: (ending: { readonly code: number; readonly bye: Bye | undefined }) => void;
}

/** Longer than the relay's functions may run, so that a late answer is not taken for a lost one. */
const answerTimeout = 15_000;
const openTimeout = 20_000;
/** Milliseconds without a sound after a request: then the relay is asked once more, and after as many again the socket is given up. */
const silence = 3_000;
/** Bytes a millisecond of the slowest network that counts as one: what is on its way up may take its time. */
const slowest = 2;

const frameTooLarge: Refusal = { code: "frame_too_large", retryable: false, message: "a request is one frame" };

/** @throws NotOpened */
export function openRelaySocket(options: RelaySocketOptions): Promise<RelaySocket> {
  const { clock, patience = 1 } = options;
  const waiting = new Map<string, Waiting>();
  let nextId = 1;
  let state: "opening" | "open" | "closed" = "opening";
  let isDraining = false;
  let bye: Bye | undefined;
  /** Frames heard, and answers among them. Counted, not timed: clocks jump. */
  let heard = 0;
  let answers = 0;
  let heardAt = clock.now();
  let cancelSuspicion: (() => void) | undefined;
  const onSettled: (() => void)[] = [];

  return new Promise((resolve, reject) => {
    const abort = (): void => end(1000);
    options.signal.addEventListener("abort", abort);
    options.giveUp?.addEventListener("abort", abort);
    const stopWaiting = clock.after(openTimeout * patience, () => end(1006, undefined, true));
    const socket = options.transport.open(options.url, options.protocols, {
      opened() {
        if (state !== "opening") return;
        stopWaiting();
        state = "open";
        options.giveUp?.removeEventListener("abort", abort);
        heardAt = clock.now();
        resolve(relaySocket);
      },
      message: receive,
      closed: end,
    });
    if (options.signal.aborted) abort();

    function end(code: number, status?: number, timedOut = false): void {
      if (state === "closed") return;
      const wasOpen = state === "open";
      state = "closed";
      stopWaiting();
      cancelSuspicion?.();
      options.signal.removeEventListener("abort", abort);
      options.giveUp?.removeEventListener("abort", abort);
      socket.close();
      loseAll("the connection ended");
      if (wasOpen) options.closed({ code, bye });
      else reject(new NotOpened(`the socket did not open (${status ?? code})`, { status, timedOut }));
    }

    function receive(text: string): void {
      if (state !== "open") return;
      heard++;
      heardAt = clock.now();
      const frame = parseServerFrame(text);
      switch (frame.kind) {
        case "ok":
        case "error":
          answers++;
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

    /** Finds a half-open socket within seconds where something waits for an answer, and costs nothing where nothing does. */
    function suspect(isProbed: boolean): void {
      const heardBefore = heard;
      cancelSuspicion = clock.after((silence + unansweredBytes() / slowest) * patience, () => {
        cancelSuspicion = undefined;
        if (waiting.size === 0) return;
        if (heard !== heardBefore) return suspect(false);
        if (isProbed) return end(1006);
        suspect(true);
        request("hello", {}).catch(() => {});
      });
    }

    function unansweredBytes(): number {
      return [...waiting.values()].reduce((sum, { bytes }) => sum + bytes, 0);
    }

    function request<O extends Operation>(operation: O, fields: Request<O>): Promise<Answer<O>> {
      if (state !== "open") return Promise.reject(new LostAnswer("there is no connection"));
      const id = String(nextId++);
      const text = JSON.stringify({ id, op: operation, ...fields });
      const bytes = utf8(text).length;
      // The platform would close the socket over it, and its sender would repeat it for ever.
      if (bytes > limits.requestFrame) return Promise.reject(new Refused(frameTooLarge));
      return new Promise<Answer<O>>((answered, failed) => {
        const answersBefore = answers;
        const cancel = clock.after((answerTimeout + (unansweredBytes() + bytes) / slowest) * patience, () => {
          // Others were answered: this one is lost, and the socket is not.
          if (answers === answersBefore) end(1006);
          else waiting.get(id)?.lost("no answer came");
        });
        const done = (): void => {
          cancel();
          waiting.delete(id);
          if (waiting.size > 0) return;
          cancelSuspicion?.();
          cancelSuspicion = undefined;
          for (const settled of onSettled.splice(0)) settled();
          if (isDraining) end(1000);
        };
        waiting.set(id, {
          bytes,
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
        if (cancelSuspicion === undefined) suspect(false);
      });
    }

    const relaySocket: RelaySocket = {
      get isOpen() {
        return state === "open" && !isDraining;
      },
      get heardAt() {
        return heardAt;
      },
      get bye() {
        return bye;
      },
      get isBusy() {
        return waiting.size > 0;
      },
      request,
      settled() {
        return new Promise((settled) => (waiting.size === 0 ? settled() : onSettled.push(settled)));
      },
      drain() {
        isDraining = true;
        if (waiting.size === 0) end(1000);
      },
      close: () => end(1000),
    };
  });
}

/** Says `hello` first where the relay has lost the registration. @throws Refused, LostAnswer */
export async function requestRegistered<O extends Operation>(
  socket: RelaySocket,
  operation: O,
  fields: Request<O>,
): Promise<Answer<O>> {
  try {
    return await socket.request(operation, fields);
  } catch (error) {
    if (!(error instanceof Refused) || error.refusal.code !== "not_registered") throw error;
    await socket.request("hello", {});
    return socket.request(operation, fields);
  }
}

type AnswerFrame = Extract<ReturnType<typeof parseServerFrame>, { kind: "ok" | "error" }>;

interface Waiting {
  readonly bytes: number;
  readonly frame: (frame: AnswerFrame) => void;
  readonly lost: (why: string) => void;
}
