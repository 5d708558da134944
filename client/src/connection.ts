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
  /** Ends all sockets of the run. */
  #ending = new AbortController();
  /** The run that has a socket saying hello: until that is in use or gone, the end of the one before is its doing, or its business. */
  #registering: number | undefined;
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

  /** @throws Refused where the relay judged the request; LostAnswer also where it judged the socket */
  async request<O extends Operation>(operation: O, fields: Request<O>): Promise<Answer<O>> {
    const socket = this.#current;
    if (socket === undefined) throw new LostAnswer("there is no connection");
    try {
      return await requestRegistered(socket, operation, fields);
    } catch (error) {
      if (error instanceof Refused && this.#endsSocket(socket, error.refusal)) {
        throw new LostAnswer(`the socket is of no use: ${error.refusal.code}`);
      }
      throw error;
    }
  }

  /** Whether it was refused because of the socket. It is given up then; coming back tells what is wrong. */
  #endsSocket(socket: RelaySocket, { code }: Refusal): boolean {
    switch (code) {
      case "superseded":
        // Unless that was this client itself, renewing its lease.
        if (socket === this.#current && this.#registering !== this.#run) this.#farewell("superseded");
        return true;
      case "device_revoked":
      case "out_of_scope":
      case "lease_expired":
      case "token_expired":
      case "clock_skew":
      case "proof_replayed":
        socket.close();
        return true;
      default:
        return false;
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
    this.#ending.abort();
    this.#ending = new AbortController();
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
    this.#registering = run;
    try {
      await this.#connectOnce(run);
    } finally {
      if (this.#registering === run) this.#registering = undefined;
    }
  }

  async #connectOnce(run: number): Promise<void> {
    // Each remedy once: a server that asks for the same again gets the backoff.
    const remedied = new Set<string>();
    for (;;) {
      const socket = await this.#open(run);
      try {
        const hello = await this.#hello(socket, remedied);
        const verdict = hello && (await this.#options.welcomed(hello, socket));
        this.#requireWanted(run);
        if (hello !== undefined && verdict === "use") {
          if (!socket.isOpen) throw endOf(socket);
          return this.#use(run, socket, hello);
        }
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

  /** @throws LostAnswer where `run` was stopped meanwhile */
  #requireWanted(run: number): void {
    if (run !== this.#run) throw new LostAnswer("the connection is not wanted any more");
  }

  async #open(run: number): Promise<RelaySocket> {
    const { transport, clock, url } = this.#options;
    const protocols = await this.#options.protocols(this.now());
    this.#requireWanted(run);
    let opened: RelaySocket | undefined;
    opened = await openRelaySocket({
      transport,
      clock,
      url,
      protocols,
      signal: this.#ending.signal,
      push: (push) => {
        if (run === this.#run) this.#options.push(push);
      },
      closed: ({ bye }) => {
        if (run === this.#run && opened !== undefined) this.#ended(run, opened, bye);
      },
    });
    return opened;
  }

  /** Registers the socket. Undefined: it was refused and the reason mended, so another one may do. */
  async #hello(socket: RelaySocket, remedied: Set<string>): Promise<Hello | undefined> {
    try {
      const hello = await socket.request("hello", {});
      this.#offset = hello.serverTime - this.#options.clock.now();
      return hello;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const { code } = error.refusal;
      if (remedied.has(code) || !this.#remedy(error.refusal)) throw error;
      remedied.add(code);
      return undefined;
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
        if (error instanceof TacitError && !error.retryable) return this.close(error);
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
          // Whatever was refused is mended by coming back.
          if (!(error instanceof Refused && this.#endsSocket(socket, error.refusal))) socket.close();
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
    if (this.#registering === run) return;
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

async function requestRegistered<O extends Operation>(
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

function endOf({ bye }: RelaySocket): Error {
  return bye === "superseded" || bye === "device_revoked" ? farewells[bye]() : new LostAnswer("the connection ended");
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
