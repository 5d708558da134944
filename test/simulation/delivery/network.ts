/**
 * Sockets between clients and the relay's functions, as API Gateway has them: authorizer and `$disconnect`, one invocation a frame and in
 * no order, frames of its own where a function fails, idle and lifetime limits, 410; and a network that loses, delays, doubles and breaks.
 */
import type { SocketEvents, Socket } from "@tacit/client";
import { limits } from "@tacit/protocol";
import { admit, type Admission } from "../../../lambdas/core/admit.ts";
import { answerFrame } from "../../../lambdas/core/dispatch.ts";
import { forget } from "../../../lambdas/core/forget.ts";
import type { Sockets } from "../../../lambdas/ports.ts";
import type { Dice } from "../mls/dice.ts";
import type { Faults } from "./faults.ts";
import type { Functions } from "./functions.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Trace } from "./trace.ts";

export interface NetworkOptions {
  readonly scheduler: Scheduler;
  readonly dice: Dice;
  readonly faults: Faults;
  readonly trace: Trace;
  readonly functions: Functions;
  /** Sees each frame that a client sends. */
  readonly seen: (frame: string, device: string) => void;
}

type Admitted = Extract<Admission, { readonly kind: "admitted" }>;

interface Line {
  readonly name: string;
  readonly owner: string;
  readonly events: SocketEvents;
  readonly connectedAt: number;
  admission: Admitted | undefined;
  /** As the client sees it, and as the gateway does. */
  client: "opening" | "open" | "closed";
  gateway: boolean;
  /** Nothing gets through any more, and nobody is told. */
  isSilent: boolean;
  lastFrame: number;
  /** When all has arrived that is on its way to the client and not held up: a close of the gateway comes after it. */
  arrived: number;
  /** Of the newest doorbell that arrived. */
  lastRung: number;
}

const idleLimit = 10 * 60_000;
const platformFailure = JSON.stringify({ message: "Internal server error", connectionId: "c", requestId: "r" });
const platformThrottle = JSON.stringify({ message: "Too Many Requests", connectionId: "c", requestId: "r" });

export class Network {
  readonly #options: NetworkOptions;
  readonly #lines = new Map<string, Line>();
  #opened = 0;
  #rung = 0;

  constructor(options: NetworkOptions) {
    this.#options = options;
  }

  /** What the relay's functions post through. */
  readonly sockets: Sockets = {
    post: async (connection, frame) => {
      const { scheduler, dice, faults } = this.#options;
      await scheduler.sleep(0.5 + dice.next() * 4);
      const line = this.#lines.get(connection);
      if (line === undefined) {
        faults.count("doorbellGone");
        return "gone";
      }
      if (faults.strikes("doorbellFailed")) return "failed";
      line.lastFrame = scheduler.now;
      const number = ++this.#rung;
      if (!faults.strikes("doorbellLost")) this.#ring(line, frame, number);
      if (faults.strikes("doorbellDoubled")) this.#ring(line, frame, number);
      return "sent";
    },
    close: async (connection) => {
      const line = this.#lines.get(connection);
      if (line !== undefined) this.#gatewayCloses(line, 1000);
    },
  };

  /** @param owner the device that opens it, for the trace */
  open(owner: string, protocols: readonly string[], events: SocketEvents): Socket {
    const { scheduler, dice, faults } = this.#options;
    const line: Line = {
      name: `c${String(++this.#opened).padStart(8, "0")}`,
      owner,
      events,
      connectedAt: Math.floor(scheduler.now),
      admission: undefined,
      client: "opening",
      gateway: false,
      isSilent: false,
      lastFrame: scheduler.now,
      arrived: scheduler.now,
      lastRung: 0,
    };
    scheduler.after(20 + dice.next() * 80, () => {
      if (faults.strikes("upgradeFailed")) return this.#clientLoses(line, 1006);
      void this.#admit(line, protocols.join(", "));
    });
    return {
      send: (text) => this.#send(line, text),
      close: () => this.#clientCloses(line),
    };
  }

  /** Somebody with the device's keys sends a frame of their own over its socket; the answer goes to nobody. */
  inject(owner: string, text: string): void {
    const line = [...this.#lines.values()].find((each) => each.owner === owner && each.client === "open");
    if (line !== undefined) void this.#receive(line, text, true);
  }

  /** All sockets of a device break, and both ends learn it, sooner or later. */
  cut(owner: string): void {
    for (const line of [...this.#lines.values()]) if (line.owner === owner) this.#break(line);
  }

  /** The process is gone: its sockets may stay open at the gateway for a while. */
  abandon(owner: string): void {
    for (const line of [...this.#lines.values()]) if (line.owner === owner) this.#clientCloses(line);
  }

  async #admit(line: Line, protocols: string): Promise<void> {
    const { scheduler, dice, trace, functions } = this.#options;
    const outcome = await functions.invoke((_, gate) => admit(gate, protocols));
    if (outcome.kind === "failed" || outcome.value.kind !== "admitted") return this.#clientLoses(line, 1006);
    line.admission = outcome.value;
    line.gateway = true;
    this.#lines.set(line.name, line);
    this.#limit(line);
    trace.note(line.owner, `socket ${line.name} opens, ${outcome.value.scope}`);
    scheduler.after(5 + dice.next() * 40, () => {
      if (line.client !== "opening") return this.#gatewayCloses(line, 1000);
      if (!line.gateway) return;
      line.client = "open";
      line.events.opened();
    });
  }

  #limit(line: Line): void {
    const { scheduler, faults } = this.#options;
    const end = line.connectedAt + limits.connectionLifetime;
    const look = (): void => {
      if (!line.gateway) return;
      const idleEnd = line.lastFrame + idleLimit;
      if (scheduler.now >= Math.min(end, idleEnd)) {
        faults.count(scheduler.now >= end ? "socketOutlived" : "socketIdled");
        return this.#gatewayCloses(line, 1001);
      }
      scheduler.after(Math.min(end, idleEnd) - scheduler.now + 1, look);
    };
    look();
  }

  #send(line: Line, text: string): void {
    const { scheduler, dice, faults, trace, seen } = this.#options;
    if (line.client !== "open") return;
    seen(text, line.owner);
    trace.note(line.owner, `> ${text}`, () => `> ${brief(text)}`);
    if (line.isSilent) return;
    if (faults.strikes("socketCut")) return this.#break(line);
    if (faults.strikes("socketSilent")) {
      line.isSilent = true;
      return;
    }
    if (faults.strikes("requestLost")) return;
    const delay = faults.strikes("requestLate") ? 50 + dice.next() * 12_000 : 5 + dice.next() * 30;
    scheduler.after(delay, () => void this.#receive(line, text));
  }

  async #receive(line: Line, text: string, isInjected = false): Promise<void> {
    const { scheduler, dice, faults, trace, functions } = this.#options;
    const { admission } = line;
    if (!line.gateway || admission === undefined) return;
    line.lastFrame = scheduler.now;
    if (faults.strikes("platformThrottled")) return this.#deliver(line, platformThrottle);
    const { account, device, scope, reason, expires } = admission;
    const { name: connection, connectedAt } = line;
    const caller = { account, device, scope, reason, expires, connection, connectedAt, requestId: `r${this.#rung}` };
    const outcome = await functions.invoke((relay) => answerFrame(relay, caller, text));
    if (isInjected) return;
    if (outcome.kind === "failed") {
      if (dice.chance(0.7)) this.#deliver(line, platformFailure);
      return;
    }
    if (outcome.value === undefined) return;
    const answer = outcome.value;
    trace.note(line.owner, `< ${answer}`, () => `< ${brief(answer)}`);
    if (faults.strikes("answerLost")) return;
    this.#deliver(line, answer, faults.strikes("answerLate") ? dice.next() * 16_000 : 0);
  }

  #ring(line: Line, frame: string, number: number): void {
    const { dice, faults } = this.#options;
    const late = faults.strikes("doorbellLate") ? dice.next() * 20_000 : 0;
    this.#deliver(line, frame, late, () => {
      if (number < line.lastRung) faults.count("doorbellReordered");
      line.lastRung = Math.max(line.lastRung, number);
    });
  }

  #deliver(line: Line, text: string, late = 0, arrives: () => void = () => {}): void {
    const { scheduler, dice, trace } = this.#options;
    const delay = 5 + dice.next() * 30;
    line.arrived = Math.max(line.arrived, scheduler.now + delay);
    scheduler.after(delay + late, () => {
      if (line.client !== "open" || line.isSilent) return;
      arrives();
      trace.note(line.owner, `<< ${text.length}`, () => `<< ${brief(text)}`);
      line.events.message(text);
    });
  }

  #break(line: Line): void {
    const { scheduler, dice } = this.#options;
    line.isSilent = true;
    this.#clientLoses(line, 1006);
    scheduler.after(dice.next() * 2_000, () => this.#gatewayCloses(line, 1006));
  }

  #clientLoses(line: Line, code: number): void {
    const { scheduler, dice } = this.#options;
    scheduler.after(Math.max(0, line.arrived - scheduler.now) + dice.next() * 20, () => {
      if (line.client === "closed") return;
      line.client = "closed";
      line.events.closed(code);
    });
  }

  #clientCloses(line: Line): void {
    const { scheduler, dice, faults } = this.#options;
    if (line.client === "closed") return;
    line.client = "closed";
    scheduler.after(1 + dice.next(), () => line.events.closed(1000));
    // Where nobody says goodbye, the gateway finds out by its own limits.
    if (faults.strikes("socketStale")) return;
    scheduler.after(5 + dice.next() * 30, () => this.#gatewayCloses(line, 1000));
  }

  #gatewayCloses(line: Line, code: number): void {
    const { dice, faults, functions, scheduler } = this.#options;
    if (!line.gateway) return;
    line.gateway = false;
    this.#lines.delete(line.name);
    this.#clientLoses(line, code);
    const { admission, name: connection } = line;
    if (admission === undefined || faults.strikes("disconnectLost")) return;
    scheduler.after(5 + dice.next() * 500, () => {
      void functions.invoke((relay) => forget(relay.connections, { ...admission, connection }));
    });
  }
}

/** A frame without its payloads. */
function brief(text: string): string {
  return text.replace(/"([A-Za-z0-9_-]{60})[A-Za-z0-9_-]+"/g, '"$1…"').slice(0, 600);
}
