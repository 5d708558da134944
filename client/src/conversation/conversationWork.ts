/**
 * What a conversation does by itself, one thing at a time. What to do next follows from the state alone (session/nextAction.ts), so it can
 * stop anywhere and go on after a restart; whatever an answer says, the log decides.
 */
import type { Push } from "@tacit/protocol";
import { askForRepair, askInDoubt } from "./askForRepair.ts";
import type { ConversationDeps } from "./conversationDeps.ts";
import type { ConversationSteps } from "./conversationSteps.ts";
import { TacitError } from "../errors.ts";
import { contradicted } from "./pinsInConversation.ts";
import { applyRung } from "./readLog.ts";
import { LostAnswer, Refused } from "../connection/relaySocket.ts";
import { uniformOf } from "../session/backoff.ts";
import { silent, type ConversationState, type IntentBody } from "../session/conversation.ts";
import { isUntidy, newIntent, withIntent } from "../session/intents.ts";
import { isFollowed, isToLeave, nextAction, type Action, type Decision } from "../session/nextAction.ts";
import { identityChanged, translate } from "../translate.ts";
import { Alarm } from "./work/alarm.ts";
import { append, type GaveUp } from "./work/appending.ts";
import { create } from "./work/creating.ts";
import { findWelcome } from "./work/findWelcome.ts";
import { pursue } from "./work/intending.ts";
import { isFinal } from "./work/isFinal.ts";
import { Landing } from "./work/landing.ts";
import { LogReading } from "./work/logReading.ts";
import { followAgain, lookLater, succeed, takeBack } from "./work/mending.ts";
import { proposeToLeave } from "./work/proposing.ts";
import { Retry } from "../retry.ts";
import { TurnTaking } from "./work/turnTaking.ts";
import { Waiters } from "./work/waiters.ts";
import type { Work } from "./work/work.ts";

/** What the work tells whoever shows the conversation. */
export interface WorkEvents {
  /** These messages will never be sent. */
  readonly gaveUp: GaveUp;
}

/** Longest that the relay may ask to wait: milliseconds. */
const longestWait = 3_600_000;

/** Its parts are for the modules in work/, which do what it decides. */
export class ConversationWork implements Work {
  readonly deps: ConversationDeps;
  readonly steps: ConversationSteps;
  readonly waiters = new Waiters();
  readonly reading: LogReading;
  readonly turns: TurnTaking;
  readonly retry: Retry;
  readonly #events: WorkEvents;
  readonly #landing: Landing;
  readonly #alarm: Alarm;
  #running: Promise<void> | undefined;
  #runAgain = false;
  #closed = false;
  /** When it is this device's turn to tidy up; undefined: there was nothing to. */
  #tidyAt: number | undefined;
  /** Accounts that could not be taken back; tried again after the next connect. */
  readonly #notTakenBack = new Set<string>();

  constructor(deps: ConversationDeps, steps: ConversationSteps, events: WorkEvents) {
    this.deps = deps;
    this.steps = steps;
    this.#events = events;
    const run = (): void => this.run();
    this.reading = new LogReading(deps, steps, this.waiters, () => {
      if (!isUntidy(this.#now)) this.#tidyAt = undefined;
    });
    this.turns = new TurnTaking(deps, run);
    this.retry = new Retry(deps, run);
    this.#alarm = new Alarm(deps.clock, run);
    this.#landing = new Landing(this);
  }

  get #now(): ConversationState {
    return this.steps.now;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** An account whose key changed, or is another one here than elsewhere: nothing is sent to it until the application accepts that. */
  get blockedBy(): string | undefined {
    const { peers, context } = this.deps;
    const changed = this.#now.roster.find((account) => peers.isBlocked(account));
    return changed ?? contradicted(peers, this.#now, context().account)[0];
  }

  /** Resolves when it stands. @throws TacitError where it cannot be opened */
  opened(): Promise<void> {
    const { phase } = this.#now;
    if (phase !== "opening" && phase !== "awaitingWelcome") return Promise.resolve();
    if (this.blockedBy !== undefined) return Promise.reject(identityChanged());
    const opened = this.waiters.opened();
    this.wanted();
    return opened;
  }

  /** Makes it so, by a commit of this device or of another. Durable before it resolves to the promise of that. */
  async intend(body: IntentBody): Promise<{ readonly done: Promise<void> }> {
    const intent = newIntent(this.deps.context(), body);
    const waiting = await this.waiters.intended(intent.id, () =>
      this.steps.take((state) => silent(withIntent(state, intent))),
    );
    this.wanted();
    return waiting;
  }

  /** Somebody wants what takes the relay: that wakes a connection which rests. */
  wanted(): void {
    this.deps.connection.need();
    this.run();
  }

  /** Reads what was missed, then sends what waits. The answer is why the log was not read to its end, where that may pass. */
  async catchUp(): Promise<LostAnswer | undefined> {
    this.reading.owe();
    this.retry.startOver();
    this.#notTakenBack.clear();
    this.#stopWaiting();
    const done = this.reading.settled();
    this.run();
    await done;
    if (!this.reading.isOwed || this.#closed) return undefined;
    const isReported = this.deps.connection.isUp && this.#waits === undefined;
    return isReported ? undefined : new LostAnswer("the log was not read to its end");
  }

  /** Something else than the log brought a step: a Welcome says where it stands in the log, not what came after it. */
  lookAgain(): void {
    this.reading.owe();
    this.run();
  }

  ring({ conversation, seq, entries = [] }: Extract<Push, { push: "entries" }>): void {
    if (conversation !== this.#now.log) return;
    this.reading.rung(seq);
    const applied = applyRung(this.deps, this.steps, conversation, entries);
    void applied.then(() => {
      // More is missing than what a doorbell brings.
      if (this.#now.cursor < seq) this.turns.expectDoorbells(false);
      this.run();
    }, this.#recover);
  }

  close(): void {
    this.#closed = true;
    this.#stopWaiting();
    this.#alarm.cancel();
    this.waiters.rejectAll(new TacitError("closed", "the client was closed"));
    this.reading.settle();
  }

  /** A step was stored. */
  released(before: ConversationState): void {
    const { phase, log, turn, requestBy } = this.#now;
    if (before.requestBy !== undefined && requestBy === undefined && phase === "open") this.deps.accepted();
    if (log === before.log && turn > before.turn) this.turns.ended(turn - before.turn);
    if (log !== before.log) {
      this.reading.startOver();
      this.turns.startOver();
    }
    if (phase !== "awaitingWelcome") this.waiters.resolveWelcome();
    if (phase === "open" || phase === "ended") this.waiters.resolveOpening();
    if (phase === "open" && before.phase !== "open") this.retry.startOver();
    if (phase === "ended") {
      this.#alarm.cancel();
      this.waiters.resolveLeaving(before);
      return this.waiters.rejectAll(new TacitError("not_a_member", "the conversation has ended on this device"));
    }
    this.waiters.settleDone(before, this.#now);
  }

  /** Does what there is to do, once at a time. */
  run(): void {
    if (this.#running !== undefined) {
      this.#runAgain = true;
      return;
    }
    this.#running = this.#work().then(
      () => this.#stopped(),
      (error: unknown) => {
        // It may be the end of the conversation: then nothing is begun again.
        this.#recover(error);
        this.#stopped();
      },
    );
  }

  #stopped(): void {
    this.#running = undefined;
    if (this.#runAgain) {
      this.#runAgain = false;
      return this.run();
    }
    this.reading.settle();
  }

  async #work(): Promise<void> {
    for (let action = this.#next(); action !== undefined; action = this.#next()) await this.#perform(action);
  }

  #next(): Action | undefined {
    if (this.#closed) return undefined;
    const decision = this.#decide();
    switch (decision.kind) {
      case "act":
        return decision.action;
      case "draw":
        this.#drawLot(decision);
        return this.#next();
      case "wake":
        this.#alarm.set(decision.at);
        return undefined;
      case "blocked":
        this.waiters.rejectOpening(identityChanged());
        return undefined;
      case "rest":
        return undefined;
    }
  }

  #decide(): Decision {
    const { clock, connection, context, isLinked } = this.deps;
    const { isUp } = connection;
    if (isUp && !isFollowed(this.#now)) this.reading.owesNothing();
    return nextAction(this.#now, {
      self: context().account,
      isLinked: isLinked(),
      isUp,
      now: clock.now(),
      relayNow: connection.now(),
      isAwaited: this.waiters.isOpeningAwaited,
      mustRead: this.reading.isDue,
      waits: this.#waits,
      readsLater: this.reading.hasFailed || this.turns.readsLater,
      isBlocked: () => this.blockedBy !== undefined,
      tidyAt: this.#tidyAt,
      notTakenBack: this.#notTakenBack,
    });
  }

  #drawLot({ start, span }: Extract<Decision, { kind: "draw" }>): void {
    const { clock, context } = this.deps;
    this.#tidyAt = clock.now() + start + span * uniformOf(context().provider.random);
  }

  get #waits(): "retry" | "chance" | undefined {
    if (this.turns.isWaiting) return "chance";
    return this.retry.isWaiting ? "retry" : undefined;
  }

  #stopWaiting(): void {
    this.retry.cancel();
    this.turns.cancel();
  }

  async #perform(action: Action): Promise<void> {
    switch (action) {
      case "read":
        return this.reading.readFirst();
      case "findWelcome":
        return findWelcome(this);
      case "land":
        return this.#landing.land();
      case "propose":
        return proposeToLeave(this);
      case "create":
        return create(this);
      case "tidy":
        this.#tidyAt = undefined;
        return pursue(this, newIntent(this.deps.context(), { kind: "tidy" }));
      case "takeBack":
        this.#tidyAt = undefined;
        return takeBack(this, this.#notTakenBack);
      case "lookAgain":
        return lookLater(this);
      case "intend":
        return pursue(this, this.#now.intents[0]!);
      case "leave":
        return pursue(this, this.#now.intents.find(isToLeave)!);
      case "append":
        return append(this, this.#events.gaveUp);
      case "askForRepair":
        return askForRepair(this.deps, this.steps);
      case "followAgain":
        return followAgain(this);
      case "askInDoubt":
        return askInDoubt(this.deps, this.steps);
      case "succeed":
        return succeed(this);
    }
  }

  /** After something that was not done: later, or never. */
  readonly #recover = (error: unknown): void => {
    if (this.#closed) return;
    const { connection, logger } = this.deps;
    const known = error instanceof LostAnswer || error instanceof Refused || error instanceof TacitError;
    if (!known) logger.warn("conversation failed", { error: error instanceof Error ? error.name : "unknown" });
    const translated = translate(error);
    if (this.#now.phase === "opening" && !(error instanceof LostAnswer)) {
      this.#openingFailed(translated, isFinal(error));
    }
    const mayPass = error instanceof Refused ? !isFinal(error) : known && translated.retryable;
    if (this.#closed || !mayPass) {
      this.waiters.rejectOpening(translated);
      if (!known || translated.code === "store_failed") this.deps.failed(translated);
      return;
    }
    // Without a connection, the next one starts it again.
    if (!connection.isUp || this.#waits !== undefined) return;
    this.retry.later(error instanceof Refused ? Math.min(error.refusal.retryAfter ?? 0, longestWait) : 0);
  };

  #openingFailed(error: TacitError, isFinal: boolean): void {
    // It may be in the log: only the log can tell. And what was there before is not given up for a successor.
    if (this.#now.pending !== undefined || this.#now.phase !== "opening") return;
    this.waiters.rejectOpening(error);
    if (this.#now.data.predecessor !== undefined) return;
    if (this.steps.isBusy) {
      // It may be a message: then it is no conversation to forget.
      void this.steps.settled.then(() => this.#closed || this.#openingFailed(error, isFinal));
      return;
    }
    const { outbox } = this.#now;
    if (outbox.length > 0) {
      if (!error.retryable && error.code !== "identity_changed") this.deps.failed(error);
      if (!isFinal) return;
      this.#events.gaveUp(
        outbox.map(({ number }) => number),
        error,
      );
    }
    this.#closed = true;
    this.deps.abandoned(this.#now.id);
  }
}
