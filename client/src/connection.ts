/**
 * Keeps one registered socket: connects with a fresh token and proof, says hello, keeps alive, comes back after a loss with jittered
 * backoff, and ahead of the lease's end with a second socket that takes over before the first one goes.
 */
import { limits, type Answer, type Operation, type Push, type Refusal, type Request } from "@tacit/protocol";
import type { ConnectionState } from "./api.ts";
import { TacitError } from "./errors.ts";
import { subject } from "./observable.ts";
import type { Clock, Random, Transport } from "./ports.ts";
import { LostAnswer, openRelaySocket, Refused, type Bye, type RelaySocket } from "./relaySocket.ts";
import { backoff, reconnectBackoff, uniformOf } from "./session/backoff.ts";

export type Hello = Answer<"hello">;

export interface ConnectionOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly url: string;
  /** Token and proof for a connection that opens at `now`, the server's time. @throws TacitError */
  readonly protocols: (now: number) => Promise<readonly string[]>;
  /** The socket was registered: says whether it can be used, or must be opened anew. @throws TacitError to stay away */
  readonly welcomed: (hello: Hello, socket: RelaySocket) => Promise<"use" | "again">;
  /** Reads what was missed; again after each registration. */
  readonly catchUp: () => Promise<void>;
  readonly push: (push: Push) => void;
}

/** With less than this left, the lease is let to end. */
const shortestRenewal = 10_000;

/** After these the client stays away. */
const farewells = {
  superseded: () => new TacitError("superseded", "another client of this device took over"),
  device_revoked: () => new TacitError("device_revoked", "this device was revoked"),
} as const;

export class Connection {
  readonly state = subject<ConnectionState>({ status: "offline" });
  readonly #options: ConnectionOptions;
  #current: RelaySocket | undefined;
  /** Says which run of the loop is the wanted one: `goOffline` and `close` make all others stop. */
  #run = 0;
  #wanted = false;
  #failures = 0;
  #cancelTimers: (() => void)[] = [];
  #wake: (() => void) | undefined;
  /** Sockets that say hello: until they are in use or gone, the end of the one before is their doing, or their business. */
  #registering = 0;
  /** Server's time minus the clock's. */
  #offset = 0;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** The server's time as far as it is known. */
  now(): number {
    return Math.floor(this.#options.clock.now() + this.#offset);
  }

  get isUp(): boolean {
    return this.#current?.isOpen === true;
  }

  /** @throws Refused, LostAnswer */
  async request<O extends Operation>(operation: O, fields: Request<O>): Promise<Answer<O>> {
    const socket = this.#current;
    if (socket === undefined) throw new LostAnswer("there is no connection");
    try {
      return await socket.request(operation, fields);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      switch (error.refusal.code) {
        case "not_registered":
          await socket.request("hello", {});
          return socket.request(operation, fields);
        case "lease_expired":
        case "token_expired":
          socket.close();
          throw new LostAnswer("the lease is over");
        default:
          throw error;
      }
    }
  }

  start(): void {
    if (this.#wanted || this.state.current.status === "closed") return;
    this.#wanted = true;
    this.#failures = 0;
    void this.#loop(++this.#run);
  }

  stop(): void {
    this.#halt();
    if (this.state.current.status !== "closed") this.state.set({ status: "offline" });
  }

  /** For good. */
  close(reason?: TacitError): void {
    if (this.state.current.status === "closed") return;
    this.#halt();
    this.state.set({ status: "closed", ...(reason === undefined ? {} : { reason }) });
  }

  #halt(): void {
    this.#wanted = false;
    this.#run++;
    this.#drop();
    this.#wake?.();
  }

  #drop(): void {
    for (const cancel of this.#cancelTimers.splice(0)) cancel();
    const socket = this.#current;
    this.#current = undefined;
    socket?.close();
  }

  async #loop(run: number): Promise<void> {
    while (run === this.#run) {
      this.state.set({ status: "connecting", attempt: this.#failures + 1 });
      try {
        await this.#connect(run);
        return;
      } catch (error) {
        if (run !== this.#run) return;
        const reason = reasonOf(error);
        if (!reason.retryable) return this.close(reason);
        await this.#pause(run, reason);
      }
    }
  }

  async #pause(run: number, reason: TacitError): Promise<void> {
    const { clock, random } = this.#options;
    const delay = backoff(reconnectBackoff, this.#failures++, uniformOf(random));
    this.state.set({ status: "offline", reason, retryAt: clock.now() + delay });
    await new Promise<void>((resolve) => {
      const cancel = clock.after(delay, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
    if (run === this.#run) this.#wake = undefined;
  }

  /** Opens sockets until one can be used; its end starts the loop anew. */
  async #connect(run: number): Promise<void> {
    this.#registering++;
    try {
      await this.#connectOnce(run);
    } finally {
      this.#registering--;
    }
  }

  async #connectOnce(run: number): Promise<void> {
    // Each remedy once: a server that asks for the same again gets the backoff.
    const remedied = new Set<string>();
    for (;;) {
      const { socket, hello } = await this.#register(run, remedied);
      if (socket === undefined) continue;
      const verdict = await this.#options.welcomed(hello, socket);
      if (run !== this.#run) return socket.close();
      if (verdict === "again") {
        if (remedied.has("again")) throw new TacitError("internal", "the relay does not know this device");
        remedied.add("again");
        socket.close();
        continue;
      }
      this.#use(run, socket, hello);
      return;
    }
  }

  /** One socket, registered. Without `socket`: the failure was mended, try again. */
  async #register(
    run: number,
    remedied: Set<string>,
  ): Promise<
    | { readonly socket?: RelaySocket; readonly hello: Hello }
    | { readonly socket?: undefined; readonly hello?: undefined }
  > {
    const { transport, clock, url } = this.#options;
    const protocols = await this.#options.protocols(this.now());
    let opened: RelaySocket | undefined;
    opened = await openRelaySocket({
      transport,
      clock,
      url,
      protocols,
      push: (push) => {
        if (run === this.#run) this.#options.push(push);
      },
      closed: ({ bye }) => {
        if (run === this.#run && opened !== undefined) this.#ended(run, opened, bye);
      },
    });
    try {
      const hello = await opened.request("hello", {});
      this.#offset = hello.serverTime - clock.now();
      return { socket: opened, hello };
    } catch (error) {
      const socket = opened;
      opened = undefined;
      socket.close();
      if (error instanceof Refused && !remedied.has(error.refusal.code) && this.#remedy(error.refusal)) {
        remedied.add(error.refusal.code);
        return {};
      }
      throw error;
    }
  }

  #remedy({ code, serverTime }: Refusal): boolean {
    switch (code) {
      case "clock_skew":
        if (serverTime === undefined) return false;
        this.#offset = serverTime - this.#options.clock.now();
        return true;
      // A fresh proof, a fresh token.
      case "proof_replayed":
      case "token_expired":
      case "lease_expired":
        if (serverTime !== undefined) this.#offset = serverTime - this.#options.clock.now();
        return true;
      default:
        return false;
    }
  }

  #use(run: number, socket: RelaySocket, hello: Hello): void {
    const old = this.#current;
    for (const cancel of this.#cancelTimers.splice(0)) cancel();
    this.#current = socket;
    old?.drain();
    if (!socket.isOpen) return this.#ended(run, socket, undefined);
    this.#keepAlive(run, socket);
    this.#renewBefore(run, hello);
    void this.#catchUp(run, socket);
  }

  async #catchUp(run: number, socket: RelaySocket): Promise<void> {
    this.state.set({ status: "catchingUp" });
    for (let attempt = 0; run === this.#run && socket === this.#current; attempt++) {
      try {
        await this.#options.catchUp();
        if (run !== this.#run || socket !== this.#current) return;
        this.#failures = 0;
        this.state.set({ status: "online" });
        return;
      } catch (error) {
        if (!(error instanceof LostAnswer || error instanceof Refused)) {
          return this.close(
            error instanceof TacitError ? error : new TacitError("internal", "catching up failed", { cause: error }),
          );
        }
        const { clock, random } = this.#options;
        const delay = 100 + backoff(reconnectBackoff, attempt, uniformOf(random));
        await new Promise<void>((resolve) => clock.after(delay, resolve));
      }
    }
  }

  /** Between seven and nine minutes: confirms and mends the registration, and finds half-open sockets. */
  #keepAlive(run: number, socket: RelaySocket): void {
    const { clock, random } = this.#options;
    const delay = limits.keepAlive * (1 - 0.2 * uniformOf(random));
    this.#later(delay, () => {
      if (run !== this.#run || socket !== this.#current) return;
      socket.request("hello", {}).then(
        ({ serverTime }) => {
          this.#offset = serverTime - clock.now();
          if (socket === this.#current) this.#keepAlive(run, socket);
        },
        (error: unknown) => {
          // `superseded` says `bye` and closes; whatever else was refused is mended by coming back.
          if (error instanceof Refused && error.refusal.code === "superseded") this.#farewell("superseded");
          else socket.close();
        },
      );
    });
  }

  /** In the last tenth to fifth of the lease, at most ten minutes before its end. */
  #renewBefore(run: number, { leaseUntil, serverTime }: Pick<Hello, "leaseUntil" | "serverTime">): void {
    const left = leaseUntil - serverTime;
    if (left < shortestRenewal) return;
    const margin = Math.min(left / 5, 600_000) * (0.5 + 0.5 * uniformOf(this.#options.random));
    this.#later(left - margin, () => {
      if (run === this.#run) void this.#renew(run, leaseUntil);
    });
  }

  /** The old socket stays in use until the new one is registered. */
  async #renew(run: number, leaseUntil: number): Promise<void> {
    try {
      await this.#connect(run);
    } catch (error) {
      if (run !== this.#run) return;
      const reason = reasonOf(error);
      if (!reason.retryable) this.close(reason);
      else if (!this.isUp) await this.#comeBack(run, reason);
      else this.#renewBefore(run, { leaseUntil, serverTime: this.now() });
    }
  }

  #later(delay: number, run: () => void): void {
    this.#cancelTimers.push(this.#options.clock.after(delay, run));
  }

  #ended(run: number, socket: RelaySocket, bye: Bye | undefined): void {
    if (socket !== this.#current) return;
    this.#drop();
    if (bye === "device_revoked") return this.#farewell(bye);
    if (this.#registering > 0) return;
    if (bye === "superseded") return this.#farewell(bye);
    void this.#comeBack(run, new TacitError("connection_lost", "the connection ended"));
  }

  /** The first way back waits a little too: ten thousand others may have lost theirs at the same moment. */
  async #comeBack(run: number, reason: TacitError): Promise<void> {
    await this.#pause(run, reason);
    if (run === this.#run) await this.#loop(run);
  }

  #farewell(bye: keyof typeof farewells): void {
    this.close(farewells[bye]());
  }
}

function reasonOf(error: unknown): TacitError {
  if (error instanceof TacitError) return error;
  if (error instanceof Refused) {
    const { code, retryable, requestId } = error.refusal;
    if (code === "superseded" || code === "device_revoked") return farewells[code]();
    if (retryable) return new TacitError("connection_lost", `the relay refused for now: ${code}`, { requestId });
    return new TacitError("relay_refused", `the relay refused: ${code}`, { requestId });
  }
  if (error instanceof LostAnswer) return new TacitError("connection_lost", "there is no connection", { cause: error });
  return new TacitError("internal", "connecting failed", { cause: error });
}
