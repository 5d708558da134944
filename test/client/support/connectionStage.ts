/** One connection before a relay that does what the test says: sockets without a network, two clocks that can be set apart. */
import type { Clock, ConnectionState, DeviceHint, DeviceHints, Transport } from "@tacit/client";
import { limits } from "@tacit/protocol";
import { Connection } from "../../../client/src/connection/connection.ts";
import type { ConnectionOptions } from "../../../client/src/connection/connectionOptions.ts";
import { Dice } from "../../simulation/mls/dice.ts";
import { fakeClock, type FakeClock } from "./fakeClock.ts";

export interface Frame {
  readonly id: string;
  readonly op: string;
}

/** The relay's end of one socket. */
export interface FarEnd {
  readonly number: number;
  readonly protocols: readonly string[];
  readonly openedAt: number;
  /** What the client sent, in order. */
  readonly received: Frame[];
  isOpen: boolean;
  /** Ended, by whomever. */
  isOver: boolean;
  open(): void;
  answer(frame: Frame, ok?: object): void;
  refuse(frame: Frame, error: object): void;
  push(frame: object): void;
  bye(code: string): void;
  end(code: number, status?: number): void;
}

export interface ConnectionStage {
  readonly clock: FakeClock;
  /** The client's clock, which can be set. */
  readonly wall: Clock;
  readonly connection: Connection;
  readonly transport: Transport;
  /** Every socket that the client tried to open. */
  readonly sockets: FarEnd[];
  readonly last: () => FarEnd;
  /** The next one. */
  readonly tried: () => Promise<FarEnd>;
  /** How many have not ended. */
  readonly live: () => number;
  readonly states: ConnectionState[];
  readonly pushes: object[];
  readonly serverNow: () => number;
  /** Somebody sets the device's clock. */
  setClock(by: number): void;
  /** The device sleeps: time passes, timers stand still. */
  sleep(milliseconds: number): void;
  hint(hint: DeviceHint): void;
  /** Decide on what happens at the relay; false: it is not done as usual. */
  onOpen: (socket: FarEnd) => boolean;
  onFrame: (socket: FarEnd, frame: Frame) => boolean;
  leaseUntil: (socket: FarEnd) => number;
  /** Starts, and waits until it is in use. */
  begin(): Promise<void>;
}

export function connectionStage(more: Partial<ConnectionOptions> & { readonly seed?: number } = {}): ConnectionStage {
  const clock = fakeClock();
  const dice = new Dice(more.seed ?? 1);
  let wallShift = 0;
  let serverShift = 0;
  const wall: Clock = { now: () => clock.now() + wallShift, after: (delay, run) => clock.after(delay, run) };
  const serverNow = (): number => clock.now() + serverShift;
  const sockets: FarEnd[] = [];
  const waiting: ((socket: FarEnd) => void)[] = [];
  const pushes: object[] = [];
  const states: ConnectionState[] = [];
  let listener: (hint: DeviceHint) => void = () => {};
  const hints: DeviceHints = {
    restAfter: Infinity,
    watch: (heard) => ((listener = heard), () => (listener = () => {})),
  };
  let registered: FarEnd | undefined;

  const transport: Transport = {
    open(_url, protocols, events) {
      const socket: FarEnd = {
        number: sockets.length,
        protocols,
        openedAt: serverNow(),
        received: [],
        isOpen: false,
        isOver: false,
        open() {
          if (socket.isOver) return;
          socket.isOpen = true;
          events.opened();
        },
        answer: (frame, ok = {}) => socket.push({ id: frame.id, ok }),
        refuse: (frame, error) => socket.push({ id: frame.id, error: { retryable: true, message: "no", ...error } }),
        push(frame) {
          if (socket.isOpen && !socket.isOver) queueMicrotask(() => events.message(JSON.stringify(frame)));
        },
        bye: (code) => socket.push({ push: "bye", code }),
        end(code, status) {
          if (socket.isOver) return;
          socket.isOver = true;
          if (registered === socket) registered = undefined;
          queueMicrotask(() => events.closed(code, status));
        },
      };
      sockets.push(socket);
      for (const resolve of waiting.splice(0)) resolve(socket);
      queueMicrotask(() => {
        if (stage.onOpen(socket)) socket.open();
      });
      return {
        send(text) {
          if (socket.isOver) return;
          const frame = JSON.parse(text) as Frame;
          socket.received.push(frame);
          queueMicrotask(() => {
            if (!socket.isOver && stage.onFrame(socket, frame)) serve(socket, frame);
          });
        },
        close: () => socket.end(1000),
      };
    },
  };

  /** As the relay does. */
  function serve(socket: FarEnd, frame: Frame): void {
    const serverTime = serverNow();
    const leaseUntil = stage.leaseUntil(socket);
    if (serverTime >= leaseUntil) {
      socket.refuse(frame, { code: "lease_expired", serverTime });
      socket.bye("lease_expired");
      return socket.end(1000);
    }
    if (frame.op !== "hello") return socket.answer(frame, { count: 1, lastResort: true });
    if (registered !== undefined && registered.number > socket.number) {
      return socket.refuse(frame, { code: "superseded", retryable: false });
    }
    if (registered !== socket) {
      registered?.bye("superseded");
      registered?.end(1000);
    }
    registered = socket;
    socket.answer(frame, hello(serverTime, leaseUntil));
  }

  const { seed: _seed, ...options } = more;
  const connection = new Connection({
    transport,
    clock: wall,
    random: (length) => Uint8Array.from({ length }, () => dice.below(256)),
    url: "wss://relay.test/v1",
    protocols: async (now) => ["tacit.v1", String(now)],
    welcomed: async () => "use",
    catchUp: async () => {},
    push: (push) => pushes.push(push),
    hints,
    ...options,
  });
  connection.state.subscribe((state) => states.push(state));

  const stage: ConnectionStage = {
    clock,
    wall,
    connection,
    transport,
    sockets,
    last: () => sockets.at(-1)!,
    tried: () => new Promise((resolve) => waiting.push(resolve)),
    live: () => sockets.filter(({ isOver }) => !isOver).length,
    states,
    pushes,
    serverNow,
    setClock: (by) => void (wallShift += by),
    sleep(milliseconds) {
      wallShift += milliseconds;
      serverShift += milliseconds;
    },
    hint: (hint) => listener(hint),
    onOpen: () => true,
    onFrame: () => true,
    leaseUntil: ({ openedAt }) => openedAt + limits.connectionLifetime,
    async begin() {
      connection.start();
      await clock.settle();
    },
  };
  return stage;
}

export function hello(serverTime: number, leaseUntil: number): object {
  return { account: "alice", device: "0".repeat(42) + "A", scope: "full", serverTime, leaseUntil };
}
