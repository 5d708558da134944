/**
 * What a conversation does by itself, one thing at a time. What to do next follows from the state alone, so it can stop anywhere and go on
 * after a restart; whatever an answer says, the log decides.
 */
import { isDirect, type ErrorCode, type Push, type Request } from "@tacit/protocol";
import type { ConversationDeps } from "./conversationDeps.ts";
import type { ConversationSteps } from "./conversationSteps.ts";
import { deferred, type Deferred } from "./deferred.ts";
import { TacitError } from "./errors.ts";
import { contradicted } from "./pinsInConversation.ts";
import { creationEntry, landCommit, progressOf, type LandingProgress } from "./landCommit.ts";
import { sendable } from "./payloads.ts";
import { applyAll, applyRung, readLog } from "./readLog.ts";
import { askForRepair, pauseAfter } from "./askForRepair.ts";
import { LostAnswer, Refused } from "./relaySocket.ts";
import { backoff, retryBackoff, uniformOf } from "./session/backoff.ts";
import { afterLoss, afterTurns, pauseOf, type Contention } from "./session/contention.ts";
import {
  silent,
  type Claimed,
  type ConversationState,
  type Intent,
  type IntentBody,
  type PendingCommit,
} from "./session/conversation.ts";
import {
  isServed,
  isUntidy,
  newIntent,
  planFor,
  toTakeBack,
  withClaimed,
  withIntent,
  withoutClaims,
  withoutIntent,
  type Plan,
} from "./session/intents.ts";
import { leavePending } from "./session/leaving.ts";
import { dropOutgoing, nextBatch, ownEntries, sealBatch } from "./session/outbox.ts";
import { changePending, createPending, lostCreation, RuleBroken, withoutPending } from "./session/pendingCommit.ts";
import { noted } from "./session/conversation.ts";
import { leavesOf } from "./session/groupEngine.ts";
import { mayAdminister, mayRemove } from "./session/memberChange.ts";
import { isShutOut, maySucceed, succeeding } from "./session/successor.ts";
import { identityChanged, translate } from "./translate.ts";

/** What the work tells whoever shows the conversation. */
export interface WorkEvents {
  /** These messages will never be sent. */
  readonly gaveUp: (numbers: readonly number[], error: TacitError) => void;
}

/** Answers "not a member" after which a conversation that was open is given up. */
const absencesToEnd = 3;
/** Longest that the relay may ask to wait: milliseconds. */
const longestWait = 3_600_000;
/** How long whoever may remove members is given to tidy up before everybody else does: milliseconds. */
const tidying = { administrators: 1_000, others: 3_000 };
/** Members among whom a successor is opened without being told to. */
const largestToSucceed = 50;
/** Unanswered requests after which a successor is opened. */
const requestsBeforeSuccessor = { direct: 1, group: 6 };
/** How often a member that the relay does not serve looks whether somebody took it back, before it opens a successor. */
const looksBeforeSuccessor = 4;

/** Refusals of the request itself: repeating it would bring the same answer. */
const finalCodes: ReadonlySet<string> = new Set<ErrorCode>([
  "malformed",
  "limit_exceeded",
  "frame_too_large",
  "unknown_account",
]);

type Action =
  | "read"
  | "findWelcome"
  | "land"
  | "propose"
  | "create"
  | "intend"
  | "tidy"
  | "takeBack"
  | "append"
  | "askForRepair"
  | "lookAgain"
  | "succeed";

export class ConversationWork {
  readonly #deps: ConversationDeps;
  readonly #steps: ConversationSteps;
  readonly #events: WorkEvents;
  #running: Promise<void> | undefined;
  #runAgain = false;
  #cancelRetry: (() => void) | undefined;
  #cancelAlarm: (() => void) | undefined;
  /** What waits to be repeated is the reading itself. */
  #readFailed = false;
  /** Others that want to commit, since the own commit lost. */
  #contention: Contention | undefined;
  /** When the next attempt is due, while this device waits its chance. */
  #chanceAt: number | undefined;
  /** Until then the log is not read: what ended the turn is on its way by doorbell. */
  #readsLater = false;
  /** What is laid in place for the pending commit. */
  #landing: LandingProgress | undefined;
  /** The turn of which the relay last said that it is over. */
  #staleTurn: number | undefined;
  #absences = 0;
  #attempt = 0;
  /** Something may be in the log that was not read: at the start, and after an answer that did not come. */
  #mustRead = true;
  /** The highest seq that a doorbell named. */
  #rung = 0;
  #closed = false;
  /** When it is this device's turn to tidy up; undefined: there was nothing to. */
  #tidyAt: number | undefined;
  /** Accounts that could not be taken back; tried again after the next connect. */
  readonly #notTakenBack = new Set<string>();
  /** The group's picture is gone from the relay. */
  #pictureLost = false;
  readonly #opening: Deferred<void>[] = [];
  readonly #waiting = new Map<string, Deferred<void>>();
  /** Who waits for the log to be read, or for that to fail. */
  readonly #readWaiters: (() => void)[] = [];

  constructor(deps: ConversationDeps, steps: ConversationSteps, events: WorkEvents) {
    this.#deps = deps;
    this.#steps = steps;
    this.#events = events;
  }

  get #now(): ConversationState {
    return this.#steps.now;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** An account whose key changed, or is another one here than elsewhere: nothing is sent to it until the application accepts that. */
  get blockedBy(): string | undefined {
    const { peers, context } = this.#deps;
    const changed = this.#now.roster.find((account) => peers.isBlocked(account));
    return changed ?? contradicted(peers, this.#now, context().account)[0];
  }

  /** Resolves when it stands. @throws TacitError where it cannot be opened */
  opened(): Promise<void> {
    const { phase } = this.#now;
    if (phase !== "opening" && phase !== "awaitingWelcome") return Promise.resolve();
    if (this.blockedBy !== undefined) return Promise.reject(identityChanged());
    const opening = deferred<void>();
    this.#opening.push(opening);
    this.run();
    return opening.promise;
  }

  /** Makes it so, by a commit of this device or of another. Durable before it resolves to the promise of that. */
  async intend(body: IntentBody): Promise<{ readonly done: Promise<void> }> {
    const intent = newIntent(this.#deps.context(), body);
    const waiter = deferred<void>();
    this.#waiting.set(intent.id, waiter);
    await this.#steps.take((state) => silent(withIntent(state, intent)));
    this.run();
    return { done: waiter.promise };
  }

  /** Reads what was missed, then sends what waits. The answer is why the log was not read to its end, where that may pass. */
  async catchUp(): Promise<LostAnswer | undefined> {
    this.#mustRead = true;
    this.#attempt = 0;
    this.#notTakenBack.clear();
    this.#cancelRetry?.();
    const done = new Promise<void>((resolve) => this.#readWaiters.push(resolve));
    this.run();
    await done;
    if (!this.#mustRead || this.#closed) return undefined;
    const isReported = this.#deps.connection.isUp && this.#cancelRetry === undefined;
    return isReported ? undefined : new LostAnswer("the log was not read to its end");
  }

  /** Something else than the log brought a step: a Welcome says where it stands in the log, not what came after it. */
  lookAgain(): void {
    this.#mustRead = true;
    this.run();
  }

  ring({ conversation, seq, entries = [] }: Extract<Push, { push: "entries" }>): void {
    if (conversation !== this.#now.log) return;
    this.#rung = Math.max(this.#rung, seq);
    const applied = applyRung(this.#deps, this.#steps, conversation, entries);
    void applied.then(() => {
      // More is missing than what a doorbell brings.
      if (this.#now.cursor < seq) this.#readsLater = false;
      this.run();
    }, this.#recover);
  }

  close(): void {
    this.#closed = true;
    this.#cancelRetry?.();
    this.#cancelAlarm?.();
    this.#rejectAll(new TacitError("closed", "the client was closed"));
    for (const waiter of this.#readWaiters.splice(0)) waiter();
  }

  #rejectAll(error: TacitError): void {
    this.#rejectOpening(error);
    for (const waiter of this.#waiting.values()) waiter.reject(error);
    this.#waiting.clear();
  }

  /** A step was stored. */
  released(before: ConversationState): void {
    const { phase, intents, log, turn } = this.#now;
    if (log === before.log && turn > before.turn) this.#turnsEnded(turn - before.turn);
    if (log !== before.log) {
      this.#rung = 0;
      this.#mustRead = true;
      this.#contention = this.#staleTurn = undefined;
    }
    if (phase === "open" || phase === "ended") for (const waiter of this.#opening.splice(0)) waiter.resolve();
    if (phase === "open" && before.phase !== "open") this.#attempt = 0;
    if (phase === "ended") {
      this.#cancelAlarm?.();
      if (before.intents.some(({ kind }) => kind === "leave")) this.#settle(before.intents, "leave");
      return this.#rejectAll(new TacitError("not_a_member", "the conversation has ended on this device"));
    }
    const left = new Set(intents.map(({ id }) => id));
    for (const { id } of before.intents) if (!left.has(id)) this.#resolve(id);
  }

  /** Whoever waits its chance waits less where nobody else seems to be ready. */
  #turnsEnded(turns: number): void {
    const before = this.#contention;
    if (before === undefined) return;
    const now = this.#deps.clock.now();
    const after = afterTurns(before, turns, now);
    this.#contention = after;
    if (this.#chanceAt === undefined || after.crowd === before.crowd) return;
    this.#awaitChance(Math.max(0, this.#chanceAt - now) * (after.crowd / before.crowd));
  }

  #awaitChance(delay: number): void {
    const { clock } = this.#deps;
    this.#cancelRetry?.();
    this.#chanceAt = clock.now() + delay;
    const cancel = clock.after(delay, () => {
      this.#cancelRetry?.();
      this.run();
    });
    this.#cancelRetry = () => {
      cancel();
      this.#cancelRetry = undefined;
      this.#chanceAt = undefined;
      this.#readsLater = false;
    };
  }

  #settle(intents: readonly Intent[], kind: Intent["kind"]): void {
    for (const intent of intents) if (intent.kind === kind) this.#resolve(intent.id);
  }

  #resolve(id: string): void {
    this.#waiting.get(id)?.resolve();
    this.#waiting.delete(id);
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
    for (const waiter of this.#readWaiters.splice(0)) waiter();
  }

  async #work(): Promise<void> {
    for (let action = this.#next(); action !== undefined; action = this.#next()) await this.#perform(action);
  }

  #next(): Action | undefined {
    const state = this.#now;
    if (this.#closed || !this.#deps.connection.isUp) return undefined;
    const waits = this.#cancelRetry !== undefined;
    switch (state.phase) {
      case "ended":
        this.#mustRead = false;
        return undefined;
      case "awaitingWelcome":
        this.#mustRead = false;
        if ((this.#opening.length > 0 || state.repair === undefined) && !waits) return "findWelcome";
        return this.#repairAction(waits);
      case "stuck":
        this.#mustRead = false;
        return this.#repairAction(waits);
      case "opening":
      case "open":
        break;
    }
    if (this.#mustRead || this.#rung > state.cursor) {
      return waits && (this.#readFailed || this.#readsLater) ? undefined : "read";
    }
    if (state.requestBy !== undefined) return undefined;
    if (this.blockedBy !== undefined) {
      this.#rejectOpening(identityChanged());
      return undefined;
    }
    if (waits) {
      const isServedNow = isServed(state, this.#deps.context().account);
      return this.#chanceAt !== undefined && isServedNow && maySendMeanwhile(state) ? "append" : undefined;
    }
    if (state.phase === "open" && !isServed(state, this.#deps.context().account)) return this.#unservedAction(state);
    if (state.pending !== undefined) return "land";
    if (state.leaving !== undefined) return "propose";
    if (state.phase === "opening") return "create";
    if (isUntidy(state) && this.#isTimeToTidy(state)) return "tidy";
    if (this.#toTakeBack(state) !== undefined && this.#isTimeToTidy(state)) return "takeBack";
    if (state.intents.length > 0) return "intend";
    if (isUntidy(state)) return undefined;
    return state.outbox.length > 0 ? "append" : undefined;
  }

  /** Dropped by a void commit, and not allowed to mend that: others take this account back, or it goes on elsewhere. */
  #unservedAction(state: ConversationState): Action | undefined {
    const { connection, clock, context } = this.#deps;
    const { repair, suspended, data, roster } = state;
    if (repair !== undefined && connection.now() < repair.due) {
      this.#wakeAt(clock.now() + (repair.due - connection.now()));
      return undefined;
    }
    const { account } = context();
    const isFollowed = !suspended.includes(account) || mayAdminister(data, account);
    const isEnough = (repair?.attempts ?? 0) >= looksBeforeSuccessor && roster.length <= largestToSucceed;
    return isEnough && isFollowed && maySucceed(state) ? "succeed" : "lookAgain";
  }

  #toTakeBack(state: ConversationState): ReturnType<typeof toTakeBack> {
    const { connection, context } = this.#deps;
    return toTakeBack(state, context().account, { now: connection.now(), except: this.#notTakenBack });
  }

  /** Whoever wants to send does it at once; of the others, those who may remove members come first, and chance decides among them. */
  #isTimeToTidy(state: ConversationState): boolean {
    if (state.outbox.length + state.intents.length > 0) return true;
    const { clock, context } = this.#deps;
    const { account, provider } = context();
    const now = clock.now();
    if (this.#tidyAt === undefined) {
      const isFirst = mayAdminister(state.data, account);
      const span = isFirst ? tidying.administrators : tidying.others;
      const start = isFirst ? 0 : tidying.administrators;
      this.#tidyAt = now + start + span * uniformOf(provider.random);
    }
    if (now >= this.#tidyAt) return true;
    this.#wakeAt(this.#tidyAt);
    return false;
  }

  #wakeAt(time: number): void {
    const { clock } = this.#deps;
    this.#cancelAlarm?.();
    const cancel = clock.after(Math.max(0, time - clock.now()), () => {
      this.#cancelAlarm = undefined;
      this.run();
    });
    this.#cancelAlarm = () => {
      cancel();
      this.#cancelAlarm = undefined;
    };
  }

  /** Asks to be put in anew, again and again with growing pauses; then opens a successor, where that is for this device to decide. */
  #repairAction(waits: boolean): Action | undefined {
    const { repair, requestBy, log, roster } = this.#now;
    if (repair === undefined || waits || requestBy !== undefined || this.blockedBy !== undefined) return undefined;
    const { connection } = this.#deps;
    if (connection.now() < repair.due) {
      this.#wakeAt(this.#deps.clock.now() + (repair.due - connection.now()));
      return undefined;
    }
    if (isShutOut(this.#now)) return "succeed";
    const direct = isDirect(log);
    const enough = direct ? requestsBeforeSuccessor.direct : requestsBeforeSuccessor.group;
    const isSmall = direct || roster.length <= largestToSucceed;
    return repair.attempts >= enough && isSmall && maySucceed(this.#now) ? "succeed" : "askForRepair";
  }

  async #perform(action: Action): Promise<void> {
    switch (action) {
      case "read":
        this.#readFailed = true;
        await this.#read();
        this.#readFailed = false;
        return;
      case "findWelcome":
        return this.#findWelcome();
      case "land":
        return this.#land();
      case "propose":
        return this.#propose();
      case "create":
        return this.#create();
      case "tidy":
        this.#tidyAt = undefined;
        return this.#plan(newIntent(this.#deps.context(), { kind: "tidy" }));
      case "takeBack":
        return this.#takeBack();
      case "lookAgain":
        return this.#lookLater();
      case "intend":
        return this.#plan(this.#now.intents[0]!);
      case "append":
        return this.#append();
      case "askForRepair":
        return askForRepair(this.#deps, this.#steps);
      case "succeed":
        return this.#succeed();
    }
  }

  async #succeed(): Promise<void> {
    const context = this.#deps.context();
    await this.#steps.take((state) => {
      const isUnserved = state.phase === "open" && !isServed(state, context.account);
      const isLost = state.phase === "stuck" || state.phase === "awaitingWelcome" || isUnserved;
      return isLost ? succeeding(context, state) : undefined;
    });
  }

  async #takeBack(): Promise<void> {
    this.#tidyAt = undefined;
    const lost = this.#toTakeBack(this.#now);
    if (lost === undefined) return;
    this.#notTakenBack.add(lost.account);
    const intent = { kind: "readmit", ...lost, since: this.#deps.connection.now(), claimed: [] } as const;
    await this.#steps.take((state) => silent(withIntent(state, newIntent(this.#deps.context(), intent))));
  }

  async #lookLater(): Promise<void> {
    const { connection, context } = this.#deps;
    const { provider } = context();
    this.#mustRead = true;
    await this.#steps.take((state) => {
      const { attempts = 0, after = state.cursor } = state.repair ?? {};
      const due = connection.now() + pauseAfter(attempts, provider.random);
      return silent({ ...state, repair: { attempts: attempts + 1, due, after } });
    });
  }

  async #read(): Promise<void> {
    const rung = this.#rung;
    this.#mustRead = true;
    try {
      await readLog(this.#deps, this.#steps);
      this.#absences = 0;
    } catch (error) {
      if (!(error instanceof Refused) || error.refusal.code !== "not_a_member") throw error;
      if (this.#now.phase === "open" && ++this.#absences < absencesToEnd) throw error;
      await this.#notThere();
    }
    this.#mustRead = false;
    if (this.#rung === rung) this.#rung = 0;
    for (const waiter of this.#readWaiters.splice(0)) waiter();
    if (!isUntidy(this.#now)) this.#tidyAt = undefined;
    if (this.#now.phase === "awaitingWelcome") await this.#findWelcome();
  }

  /** The Welcome landed together with the commit, so it is in the inbox, or this device was left out. */
  async #findWelcome(): Promise<void> {
    await this.#deps.readInbox();
    if (this.#now.phase !== "awaitingWelcome") return;
    this.#rejectOpening(new TacitError("cannot_follow", "the conversation was created without this device"));
    const due = this.#deps.connection.now() + 1_000;
    await this.#steps.take((state) =>
      state.phase === "awaitingWelcome" && state.repair === undefined
        ? silent({ ...state, repair: { attempts: 0, due, after: state.cursor } })
        : undefined,
    );
  }

  #rejectOpening(error: TacitError): void {
    for (const waiter of this.#opening.splice(0)) waiter.reject(error);
  }

  /** Not on the roster, or no such conversation. */
  async #notThere(): Promise<void> {
    await this.#steps.take((state) => {
      if (state.phase !== "open") return undefined;
      const at = { seq: state.cursor, storedAt: this.#deps.connection.now() };
      return noted({ ...state, phase: "ended", pending: undefined }, { kind: "cannotFollow" }, at);
    });
  }

  async #create(): Promise<void> {
    const { context, claim, connection, devicesOf } = this.#deps;
    const { account, device } = context();
    const claimed: Claimed[] = [];
    const { roster, data } = this.#now;
    for (const each of roster) {
      const others = each !== account || (await devicesOf(account)).some((other) => other !== device);
      // The own other devices are added later where they cannot be now. And who cannot be reached must not keep others from going on.
      const mayWait = each === account || (data.predecessor !== undefined && mayRemove(data, account, each));
      if (others) claimed.push(...(await (mayWait ? claim(each).catch(passing) : claim(each))));
    }
    await this.#steps.take((state) =>
      state.phase === "opening" && state.pending === undefined
        ? createPending(context(), state, claimed, connection.now())
        : undefined,
    );
  }

  async #plan(intent: Intent): Promise<void> {
    const plan = planFor(this.#deps.context(), this.#now, intent);
    switch (plan.kind) {
      case "claim":
        return this.#claimFor(intent, plan);
      case "done":
        return this.#steps.take((state) => silent(withoutIntent(state, intent.id)));
      case "forbidden":
        return this.#refuse(intent, new TacitError("forbidden", "the group's roles do not allow it"));
      case "leave":
        return this.#steps.take((state) =>
          state.group === undefined || state.leaving !== undefined
            ? undefined
            : leavePending(this.#deps.context(), state),
        );
      case "commit":
        try {
          return await this.#prepare(intent);
        } catch (error) {
          if (!(error instanceof RuleBroken)) throw error;
          return this.#refuse(intent, new TacitError("forbidden", "the group's rules do not allow it"));
        }
    }
  }

  #prepare(intent: Intent): Promise<void> {
    const { context, connection } = this.#deps;
    return this.#steps.take(async (state) => {
      // The turn may have ended meanwhile.
      if (state.phase !== "open" || state.pending !== undefined) return undefined;
      const again = planFor(context(), state, intent);
      return again.kind === "commit" ? changePending(context(), state, again.wish, connection.now()) : undefined;
    });
  }

  async #claimFor(intent: Intent, { accounts, devices }: Extract<Plan, { kind: "claim" }>): Promise<void> {
    const claimed: Claimed[] = [];
    for (const account of accounts) {
      try {
        claimed.push(...(await this.#deps.claim(account, devices)));
      } catch (error) {
        if (claimed.length > 0) break;
        const translated = translate(error);
        const mayPass = error instanceof LostAnswer || (error instanceof Refused && !isFinal(error));
        if (mayPass) throw error;
        return this.#refuse(intent, translated);
      }
    }
    await this.#steps.take((state) => silent(withClaimed(state, intent.id, claimed)));
  }

  async #refuse({ id }: Intent, error: TacitError): Promise<void> {
    const waiter = this.#waiting.get(id);
    this.#waiting.delete(id);
    await this.#steps.take((state) => silent(withoutIntent(state, id)));
    waiter?.reject(error);
  }

  async #land(): Promise<void> {
    const state = this.#now;
    const { pending } = state;
    if (pending === undefined) return;
    // Whatever the answer, the log decides.
    this.#mustRead = true;
    const since = this.#deps.clock.now();
    let landed;
    try {
      const deps = { ...this.#deps, provider: this.#deps.context().provider };
      const progress = progressOf(this.#landing, pending, since);
      this.#landing = progress;
      landed = await landCommit(deps, state, pending, { withoutPicture: this.#pictureLost, progress });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return this.#notLanded(pending, error, since);
    }
    this.#contention = this.#landing = undefined;
    if (this.#now.pending === pending) await this.#read();
    if (this.#now.pending === pending && pending.kind === "create" && this.#now.cursor === 0) {
      const entry = creationEntry(this.#deps.context(), pending, landed);
      await applyAll(this.#deps, this.#steps, state.log, [entry]);
      this.#mustRead = true;
    }
    if (this.#now.pending === pending) throw new LostAnswer("the log does not show the commit that it accepted");
    // Accepted, and void in the log that the relay shows: the next one may fare no better.
    const isVoid = this.#now.group?.epoch !== pending.next.epoch;
    if (isVoid && this.#now.intents.length > 0) {
      this.#again(new LostAnswer("the log shows another commit than was accepted"));
    }
  }

  async #notLanded(pending: PendingCommit, error: Refused, since: number): Promise<void> {
    const { code } = error.refusal;
    if (code === "blob_missing" || code === "key_package_not_claimed") this.#landing = undefined;
    switch (code) {
      case "conversation_exists":
        await this.#steps.take((state) => (state.pending === pending ? lostCreation(state) : undefined));
        return this.#findWelcome();
      case "key_package_not_claimed":
        await this.#steps.take((state) => {
          if (state.pending !== pending) return undefined;
          const step = withoutPending(state);
          return pending.intent === undefined ? step : { ...step, state: withoutClaims(step.state, pending.intent) };
        });
        return this.#again(new LostAnswer("the claims are of no use any more"));
      case "blob_missing":
        if (this.#pictureLost) throw error;
        this.#pictureLost = true;
        return;
      case "stale":
        return this.#lostTurn(pending, error, since);
      case "not_a_member":
        await this.#read();
        // Dropped by a void commit, and not allowed to mend that.
        await this.#steps.take((state) =>
          state.pending === pending && state.unlisted.includes(this.#deps.context().account)
            ? { ...withoutPending(state), state: { ...withoutPending(state).state, justDropped: [] } }
            : undefined,
        );
        return this.#again(new LostAnswer("the relay does not take it"));
      case "invalid_roster":
        // The roster is not what this device believes: what it has not read tells.
        await this.#steps.take((state) => (state.pending === pending ? withoutPending(state) : undefined));
        return this.#again(error);
      default:
        if (!isFinal(error)) throw error;
        return this.#discard(pending, error);
    }
  }

  /**
   * Another commit was faster. The next attempt waits its chance, and the log is read then: by that time doorbells have brought what
   * ended the turn, or it was missed.
   */
  #lostTurn(pending: PendingCommit, { refusal }: Refused, since: number): void {
    // Nothing was learned since the last time: the relay says one thing, and its log another.
    if (this.#staleTurn === pending.turn)
      return this.#again(new LostAnswer("the turn is over, and the log does not show it"));
    this.#staleTurn = pending.turn;
    const { clock, context } = this.#deps;
    const { group, cursor } = this.#now;
    const members = group === undefined ? 1 : leavesOf(group).length;
    this.#contention = afterLoss(this.#contention, { members, since, now: clock.now() });
    this.#mustRead = false;
    this.#rung = Math.max(this.#rung, refusal.head?.seq ?? cursor + 1);
    this.#awaitChance(pauseOf(this.#contention, uniformOf(context().provider.random)));
    this.#readsLater = this.#now.pending === pending;
  }

  /** The relay will never take it; unless the log shows that it did, when an answer was lost. */
  async #discard(pending: PendingCommit, error: Refused): Promise<void> {
    await this.#read();
    if (this.#now.pending !== pending) return;
    await this.#steps.take((state) => (state.pending === pending ? withoutPending(state) : undefined));
    if (pending.kind === "create") throw error;
    const intent = this.#now.intents.find(({ id }) => id === pending.intent);
    if (intent !== undefined) await this.#refuse(intent, translate(error));
  }

  /** The own proposal to leave. */
  async #propose(): Promise<void> {
    const { log, leaving, turn } = this.#now;
    if (leaving === undefined) return;
    if (leaving.turn !== turn) {
      // A commit came in between: the epoch of the proposal is over.
      return this.#steps.take((state) => silent({ ...state, leaving: undefined }));
    }
    this.#mustRead = true;
    const deps = { ...this.#deps, provider: this.#deps.context().provider };
    const payload = await sendable(deps, leaving.proposal);
    try {
      const request = { conversation: log, turn, entry: leaving.entry, payload, leave: true };
      await this.#deps.connection.request("propose", request);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const { code } = error.refusal;
      if (code !== "stale" && code !== "not_a_member") throw error;
      return this.#again(error);
    }
    await this.#read();
    if (this.#now.leaving === leaving) this.#again(new LostAnswer("the log does not show the proposal"));
  }

  async #append(): Promise<void> {
    const { context, connection } = this.#deps;
    await this.#steps.take((state) => (state.group === undefined ? undefined : sealBatch(context(), state)));
    const batch = nextBatch(this.#now);
    if (batch.length === 0) return this.#again(new LostAnswer("nothing could be sealed"));
    const { turn, log } = this.#now;
    const entries: Request<"append">["entries"] = [];
    const deps = { ...this.#deps, provider: context().provider };
    for (const { sealed } of batch) {
      entries.push({ id: sealed.entry, payload: await sendable(deps, sealed.ciphertext) });
    }
    this.#mustRead = true;
    let accepted;
    try {
      ({ accepted } = await connection.request("append", { conversation: log, turn, entries }));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const { code } = error.refusal;
      // Where each turn brings a new one, the message is sealed and sent at once in the next.
      const isProgress = code === "stale" && this.#staleTurn !== turn;
      if (isProgress) this.#staleTurn = turn;
      this.#readsLater = false;
      if (isProgress) return;
      if (code === "stale" || code === "not_a_member") return this.#again(error);
      if (!isFinal(error)) throw error;
      this.#mustRead = false;
      return this.#giveUp(
        batch.map(({ number }) => number),
        translate(error),
      );
    }
    const own = ownEntries(this.#now, accepted);
    if (own === undefined) return;
    if (own.length === 0) return this.#again(new LostAnswer("nothing was accepted"));
    await applyAll(this.#deps, this.#steps, log, own);
    this.#mustRead = false;
    this.#attempt = 0;
  }

  /** Goes on at once the first time, then with backoff: what should have made progress may not have. */
  #again(error: Error): void {
    if (this.#attempt++ > 0) throw error;
  }

  async #giveUp(numbers: readonly number[], error: TacitError): Promise<void> {
    await this.#steps.take((state) => silent(dropOutgoing(state, numbers)));
    this.#events.gaveUp(numbers, error);
  }

  /** After something that was not done: later, or never. */
  readonly #recover = (error: unknown): void => {
    if (this.#closed) return;
    const { clock, context, connection, logger } = this.#deps;
    const known = error instanceof LostAnswer || error instanceof Refused || error instanceof TacitError;
    if (!known) logger.warn("conversation failed", { error: error instanceof Error ? error.name : "unknown" });
    const translated = translate(error);
    if (this.#now.phase === "opening" && !(error instanceof LostAnswer)) {
      this.#openingFailed(translated, isFinal(error));
    }
    const mayPass = error instanceof Refused ? !isFinal(error) : known && translated.retryable;
    if (this.#closed || !mayPass) {
      this.#rejectOpening(translated);
      if (!known || translated.code === "store_failed") this.#deps.failed(translated);
      return;
    }
    // Without a connection, the next one starts it again.
    if (!connection.isUp || this.#cancelRetry !== undefined) return;
    const wait = error instanceof Refused ? Math.min(error.refusal.retryAfter ?? 0, longestWait) : 0;
    const delay = wait + 50 + backoff(retryBackoff, this.#attempt++, uniformOf(context().provider.random));
    const cancel = clock.after(delay, () => {
      this.#cancelRetry = undefined;
      this.run();
    });
    this.#cancelRetry = () => {
      cancel();
      this.#cancelRetry = undefined;
    };
  };

  #openingFailed(error: TacitError, isFinal: boolean): void {
    // It may be in the log: only the log can tell. And what was there before is not given up for a successor.
    if (this.#now.pending !== undefined) return;
    this.#rejectOpening(error);
    if (this.#now.data.predecessor !== undefined) return;
    const { outbox } = this.#now;
    if (outbox.length > 0) {
      if (!error.retryable && error.code !== "identity_changed") this.#deps.failed(error);
      if (!isFinal) return;
      this.#events.gaveUp(
        outbox.map(({ number }) => number),
        error,
      );
    }
    this.#closed = true;
    this.#deps.abandoned(this.#now.id);
  }
}

/** Messages wait for what changes who reads them, not for a renewal of keys. */
function maySendMeanwhile(state: ConversationState): boolean {
  const { phase, pending, intents, outbox } = state;
  const mayWait = phase === "open" && pending === undefined && !isUntidy(state);
  return mayWait && outbox.length > 0 && intents.every(({ kind }) => kind === "rotate");
}

function isFinal(error: unknown): error is Refused {
  return error instanceof Refused && finalCodes.has(error.refusal.code);
}

/** Of those who can do without, or be done without. */
function passing(error: unknown): readonly Claimed[] {
  if (error instanceof TacitError && error.code === "no_key_packages") return [];
  throw error;
}
