/**
 * Keeps one registered socket while it is needed: comes back after a loss with jittered backoff, and ahead of the lease's end with a
 * second socket that takes over before the first one goes. docs/decisions/0028-connection-life.md says why it is as it is.
 */
import type { Answer, Operation, Refusal, Request } from "@tacit/protocol";
import type { ConnectionState } from "../api.ts";
import { Attempt } from "./attempt.ts";
import { Attention } from "./attention.ts";
import { untilTried } from "./awaitConnection.ts";
import { catchUpWhile } from "./catchUpWhile.ts";
import type { ConnectionOptions } from "./connectionOptions.ts";
import { connectionReason, endOf, endsSocket, farewells } from "./connectionReason.ts";
import { TacitError } from "../errors.ts";
import { Handover } from "./handover.ts";
import { subject } from "../observable.ts";
import { openSession, type Session } from "./openSession.ts";
import type { DeviceHint } from "../ports.ts";
import { RefusalWatch } from "./refusalWatch.ts";
import { LostAnswer, NotOpened, Refused, requestRegistered, type Bye, type RelaySocket } from "./relaySocket.ts";
import { Retries } from "./retries.ts";
import { ServerTime } from "./serverTime.ts";
import { patientBackoff, reconnectBackoff, uniformOf } from "../session/backoff.ts";
import { planLease, type Lease } from "../session/lease.ts";
import { Upkeep } from "./upkeep.ts";

export type { Hello } from "./openSession.ts";

/** Heard this lately, a socket needs no look when the app comes to the foreground; silent for longer, it is no proof of anything. */
const lately = 10_000;
const longAgo = 60_000;

export class Connection {
  readonly state = subject<ConnectionState>({ status: "offline" });
  readonly #options: ConnectionOptions;
  readonly #uniform: () => number;
  readonly #time: ServerTime;
  readonly #attention: Attention;
  readonly #refusals: RefusalWatch;
  readonly #retries: Retries;
  readonly #handover: Handover;
  /** From `start` to `stop`. */
  #wanted = false;
  /** Ends everything that was begun since; undefined: stopped, or resting. */
  #run: AbortController | undefined;
  #line: { readonly socket: RelaySocket; readonly upkeep: Upkeep } | undefined;
  #lease: Lease | undefined;
  #attempt: Attempt | undefined;
  /** While it comes back from a rest: settles when it has, or has failed to. */
  #waking: Promise<void> | undefined;

  constructor(options: ConnectionOptions) {
    const { clock, random, transport, url, hints, restAfter } = options;
    const { reachable } = transport;
    const uniform = (): number => uniformOf(random);
    this.#options = options;
    this.#uniform = uniform;
    this.#time = new ServerTime(clock);
    this.#refusals = new RefusalWatch({ clock, reachable: reachable && (() => reachable(url)) });
    this.#retries = new Retries(clock, uniform);
    this.#handover = new Handover(clock);
    this.#attention = new Attention({
      clock,
      uniform,
      hints,
      restAfter,
      wake: () => this.need(),
      rest: (force) => this.#rest(force),
      attend: () => this.#attend(),
      isFresh: () => this.#wasHeardWithin(lately),
    });
  }

  /** The server's time as far as it is known. */
  now(): number {
    return this.#time.now();
  }

  get isUp(): boolean {
    return this.#line?.socket.isOpen === true;
  }

  /** @throws Refused where the relay judged the request; LostAnswer also where it judged the socket */
  async request<O extends Operation>(operation: O, fields: Request<O>): Promise<Answer<O>> {
    this.#attention.relied();
    await this.#handover.over;
    if (this.#line === undefined) {
      this.need();
      await this.#waking;
    }
    const socket = this.#line?.socket;
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

  start(): void {
    if (this.state.current.status === "closed") return;
    if (this.#wanted) this.#attention.ask();
    this.#wanted = true;
    this.need();
  }

  stop(): void {
    this.#wanted = false;
    this.#halt();
    if (this.state.current.status !== "closed") this.state.set({ status: "offline" });
  }

  /** For good. */
  close(reason?: TacitError): void {
    if (this.state.current.status === "closed") return;
    this.#wanted = false;
    this.#halt();
    this.#attention.close();
    this.state.set({ status: "closed", ...(reason === undefined ? {} : { reason }) });
  }

  /** Something waits to be sent, or read: a rest is over, and the next one begins anew. */
  need(): void {
    this.#attention.needed();
    if (!this.#wanted || this.#run !== undefined) return;
    const { current } = this.state;
    this.#run = new AbortController();
    this.#attention.run();
    void this.#loop(this.#run.signal);
    if (current.status !== "offline" || current.resting !== true) return;
    this.#waking = untilTried(this.state).finally(() => (this.#waking = undefined));
  }

  /** Somebody asks whether anything was missed: a socket that has been silent for long is no proof that nothing was. */
  freshen(): void {
    this.need();
    if (this.#run === undefined || this.#line === undefined || this.state.current.status !== "online") return;
    if (this.#wasHeardWithin(longAgo)) return;
    this.#line.upkeep.look();
    void this.#catchUp(this.#run.signal, this.#line.socket);
  }

  hint(hint: DeviceHint): void {
    this.#attention.hint(hint);
  }

  #wasHeardWithin(milliseconds: number): boolean {
    if (this.#line === undefined) return false;
    const passed = this.#options.clock.now() - this.#line.socket.heardAt;
    return passed >= 0 && passed < milliseconds;
  }

  /** Things may have changed. */
  #attend(): void {
    if (this.#line !== undefined) return this.#line.upkeep.look();
    if (this.#attention.isNetworkDown) return;
    this.#retries.hasten();
    if (this.#attempt?.hurry() === false) this.#attention.ask();
  }

  #rest(force: boolean): boolean {
    if (this.#run === undefined) return true;
    const { status } = this.state.current;
    const isUnderWay = status === "connecting" || status === "catchingUp" || this.#line?.socket.isBusy === true;
    if (!force && (isUnderWay || this.#options.isBusy?.() === true)) return false;
    this.#halt();
    this.state.set({ status: "offline", resting: true });
    return true;
  }

  #halt(): void {
    this.#run?.abort();
    this.#run = undefined;
    this.#attempt = undefined;
    this.#dropLine();
    this.#retries.reset();
    this.#attention.halt();
    this.#handover.end();
  }

  #dropLine(): void {
    this.#retries.lost();
    this.#line?.upkeep.stop();
    this.#line = undefined;
  }

  /** Until there is a socket. `lost`: there was one; the first way back waits too, as ten thousand others may have lost theirs. */
  async #loop(run: AbortSignal, lost?: TacitError): Promise<void> {
    for (let reason = lost, retryAfter = 0; ;) {
      if (reason !== undefined) {
        const isPatient = this.#attention.isPatient || this.#refusals.isCertain;
        const pace = isPatient ? patientBackoff : (this.#options.backoff ?? reconnectBackoff);
        const { delay, over } = this.#retries.pause(pace, retryAfter, run);
        this.state.set({ status: "offline", reason, retryAt: this.#options.clock.now() + delay });
        await over;
      }
      if (run.aborted) return;
      this.state.set({ status: "connecting", attempt: this.#retries.attempt });
      try {
        return await this.#connect(run);
      } catch (error) {
        reason = await this.#reasonOf(error);
        if (run.aborted) return;
        if (!reason.retryable) return this.close(reason);
        retryAfter = error instanceof Refused ? (error.refusal.retryAfter ?? 0) : 0;
      }
    }
  }

  async #reasonOf(error: unknown): Promise<TacitError> {
    const isJudged = error instanceof NotOpened && !this.#attention.isNetworkDown;
    return isJudged ? this.#refusals.judge(error) : connectionReason(error);
  }

  /** Opens a socket and puts it to use. The one before, where there is one, stays in use until then. */
  async #connect(run: AbortSignal): Promise<void> {
    const attempt = new Attempt(this.#options.clock);
    this.#attempt = attempt;
    try {
      const session = await this.#open(run, attempt);
      if (!session.socket.isOpen) throw endOf(session.socket);
      this.#use(run, session);
    } catch (error) {
      if (run.aborted || !attempt.isHurried) throw error;
      return await this.#connect(run);
    } finally {
      attempt.end();
      if (this.#attempt === attempt) {
        this.#attempt = undefined;
        this.#handover.end();
      }
    }
  }

  #open(run: AbortSignal, attempt: Attempt): Promise<Session> {
    return openSession({
      ...this.#options,
      time: this.#time,
      signal: run,
      giveUp: attempt.giveUp,
      opened: () => {
        attempt.opened();
        this.#refusals.opened();
      },
      takingOver: async () => {
        const line = this.#line;
        if (line !== undefined && !line.upkeep.isDoubted) await this.#handover.begin(line.socket);
        attempt.saidHello = true;
      },
      closed: (socket, bye) => this.#ended(run, socket, bye),
    });
  }

  #use(run: AbortSignal, { socket, hello }: Session): void {
    const old = this.#line;
    old?.upkeep.stop();
    this.#lease = planLease(hello, this.#lease, this.#uniform());
    const upkeep = new Upkeep({
      clock: this.#options.clock,
      uniform: this.#uniform,
      time: this.#time,
      socket,
      lease: this.#lease,
      replace: () => void this.#replace(run),
      refused: (refusal) => this.#endsSocket(socket, refusal),
    });
    this.#line = { socket, upkeep };
    if (old?.upkeep.isDoubted === true) old.socket.close();
    else old?.socket.drain();
    this.#retries.succeeded();
    void this.#catchUp(run, socket);
  }

  async #replace(run: AbortSignal): Promise<void> {
    if (this.#attempt !== undefined || run.aborted) return;
    try {
      await this.#connect(run);
    } catch (error) {
      const reason = await this.#reasonOf(error);
      if (run.aborted) return;
      if (!reason.retryable) this.close(reason);
      else if (this.#line === undefined) await this.#loop(run, reason);
      else this.#line.upkeep.notReplaced();
    }
  }

  async #catchUp(run: AbortSignal, socket: RelaySocket): Promise<void> {
    this.state.set({ status: "catchingUp" });
    const isCurrent = (): boolean => !run.aborted && socket === this.#line?.socket;
    const { clock, catchUp } = this.#options;
    const failure = await catchUpWhile(isCurrent, { clock, uniform: this.#uniform, catchUp, signal: run });
    if (!isCurrent()) return;
    if (failure === undefined) this.state.set({ status: "online" });
    else this.close(failure);
  }

  #ended(run: AbortSignal, socket: RelaySocket, bye: Bye | undefined): void {
    if (socket !== this.#line?.socket) return;
    this.#dropLine();
    if (bye === "device_revoked") return this.#farewell(bye);
    if (bye === "superseded" && this.#attempt?.saidHello !== true) return this.#farewell(bye);
    if (this.#attempt === undefined) {
      return void this.#loop(run, new TacitError("connection_lost", "the connection ended"));
    }
    // The successor that is being opened is the way back; where it has said hello, this end was its doing.
    if (!this.#attempt.saidHello) this.state.set({ status: "connecting", attempt: this.#retries.attempt });
  }

  /** Whether it was refused because of the socket. It is given up then; coming back tells what is wrong. */
  #endsSocket(socket: RelaySocket, { code }: Refusal): boolean {
    if (!endsSocket.has(code)) return false;
    if (code !== "superseded") socket.close();
    // Unless that was this client itself, renewing its lease.
    else if (socket === this.#line?.socket && this.#attempt?.saidHello !== true) this.#farewell(code);
    return true;
  }

  #farewell(bye: keyof typeof farewells): void {
    this.close(farewells[bye]());
  }
}
