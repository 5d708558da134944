/**
 * The shell around one conversation: runs the steps of session/ one after another, stores what each changed, and only then shows,
 * sends or wipes. What to do next follows from the state alone, so it can stop anywhere and go on after a restart.
 */
import { encodeBase64Url, limits, type Entry, type ErrorCode, type Push, type Request } from "@tacit/protocol";
import type { Conversation, IterateOptions, Message, OutgoingMessage, Typing } from "./api.ts";
import type { Connection } from "./connection.ts";
import { deferred, type Deferred } from "./deferred.ts";
import { TacitError } from "./errors.ts";
import { listenerSet, subject } from "./observable.ts";
import { Outgoing } from "./outgoing.ts";
import { received, sendable, sendableTogether } from "./payloads.ts";
import type { PeerBook } from "./peerBook.ts";
import type { BlobTransfer, Clock, Logger } from "./ports.ts";
import { readTimeline } from "./readTimeline.ts";
import { LostAnswer, Refused } from "./relaySocket.ts";
import type { SealedStore } from "./sealedStore.ts";
import { applyEntry, type ReadEntry } from "./session/applyEntry.ts";
import { backoff, retryBackoff, uniformOf } from "./session/backoff.ts";
import { wipe } from "./session/bytes.ts";
import {
  merged,
  noted,
  silent,
  type ConversationState,
  type PendingCommit,
  type SessionContext,
  type Step,
} from "./session/conversation.ts";
import { changes, type Change } from "./session/conversationStore.ts";
import { randomId } from "./session/cryptoContext.ts";
import { identities } from "./session/groupEngine.ts";
import { createPending, lostCreation, rotatePending, withoutPending, type Claimed } from "./session/opening.ts";
import { dropOutgoing, enqueue, nextBatch, ownEntries, sealBatch } from "./session/outbox.ts";
import { passOver } from "./session/passOver.ts";
import { openSignal, sealSignal } from "./session/signal.ts";
import type { TimelineItem } from "./session/timeline.ts";
import { identityChanged, translate } from "./translate.ts";

export interface LiveDeps {
  readonly context: SessionContext;
  readonly store: SealedStore;
  readonly connection: Connection;
  readonly blobs: BlobTransfer;
  readonly peers: PeerBook;
  readonly clock: Clock;
  readonly logger: Logger;
  /** One key package of each device of `account`, checked. @throws TacitError, Refused, LostAnswer */
  readonly claim: (account: string) => Promise<readonly Claimed[]>;
  /** Reads the inbox. */
  readonly readInbox: () => Promise<void>;
  readonly identityChanged: (account: string) => void;
  readonly failed: (error: TacitError) => void;
  /** It could not be opened, and nothing is kept of it. */
  readonly abandoned: (conversation: LiveConversation) => void;
}

/** MLS and JSON around it fit a blob with ease. */
const longestText = 256 * 1024;
/** A typing signal that is older than this is over. */
const signalLife = 30_000;

/** Bytes of payloads that are held while a page is read. */
const readBudget = 1024 * 1024;
/** Answers "not a member" after which a conversation that was open is given up. */
const absencesToEnd = 3;
/** Longest that the relay may ask to wait: milliseconds. */
const longestWait = 3_600_000;
/** Room in a request frame for what is around the payloads of a commit, and around each Welcome. */
const landingOverhead = { commit: 2_048, welcome: 320 };

/** Refusals of the request itself: repeating it would bring the same answer. */
const finalCodes: ReadonlySet<string> = new Set<ErrorCode>([
  "malformed",
  "limit_exceeded",
  "frame_too_large",
  "unknown_account",
]);

type Action = "read" | "findWelcome" | "land" | "create" | "rotate" | "append";

export class LiveConversation implements Conversation {
  readonly id: string;
  readonly state;
  readonly #deps: LiveDeps;
  #stored: ConversationState | undefined;
  #now: ConversationState;
  /** Steps, one after another. */
  #steps: Promise<unknown> = Promise.resolve();
  #running: Promise<void> | undefined;
  #runAgain = false;
  #cancelRetry: (() => void) | undefined;
  /** What waits to be repeated is the reading itself. */
  #readFailed = false;
  #absences = 0;
  #attempt = 0;
  /** Something may be in the log that was not read: at the start, and after an answer that did not come. */
  #mustRead = true;
  /** The highest seq that a doorbell named. */
  #rung = 0;
  #closed = false;
  readonly #outgoing = new Map<number, Outgoing>();
  readonly #opening: Deferred<void>[] = [];
  readonly #rotations: Deferred<void>[] = [];
  /** Who waits for the log to be read, or for that to fail. */
  readonly #readWaiters: (() => void)[] = [];
  readonly #grown = listenerSet<void>();
  readonly #typing = listenerSet<Typing>();
  readonly #lastSignals = new Map<string, number>();

  constructor(deps: LiveDeps, state: ConversationState, stored: ConversationState | undefined) {
    this.#deps = deps;
    this.id = state.id;
    this.#now = state;
    this.#stored = stored;
    this.state = subject(shownState(state));
    for (const item of state.outbox) this.#outgoing.set(item.number, new Outgoing(item));
  }

  get members(): readonly string[] {
    return this.#now.roster;
  }

  outgoing(): readonly OutgoingMessage[] {
    return [...this.#outgoing.values()];
  }

  async send({ text }: { readonly text: string }): Promise<OutgoingMessage> {
    this.#requireUsable();
    if (typeof text !== "string") throw new TacitError("invalid_argument", "send: text is missing");
    if (text.length > longestText) throw new TacitError("too_large", `a text has at most ${longestText} characters`);
    const message = { id: randomId(this.#deps.context.provider), text, sentAt: this.#deps.connection.now() };
    let outgoing: Outgoing | undefined;
    await this.#step((state) => {
      this.#requireUsable();
      outgoing = new Outgoing(message);
      this.#outgoing.set(state.nextOutbox, outgoing);
      return silent(enqueue(state, message));
    });
    this.#deps.connection.need();
    this.run();
    return outgoing!;
  }

  #requireUsable(): void {
    if (this.#closed) throw new TacitError("closed", "the client was closed");
    if (this.#now.phase === "ended") throw new TacitError("not_a_member", "the conversation has ended on this device");
    if (this.#blockedBy() !== undefined) throw identityChanged();
  }

  #blockedBy(): string | undefined {
    return this.#now.roster.find((account) => this.#deps.peers.isBlocked(account));
  }

  async *messages(options?: IterateOptions): AsyncGenerator<Message, void, undefined> {
    for await (const item of this.timeline(options)) if (item.kind === "message") yield item;
  }

  timeline(options?: IterateOptions): AsyncGenerator<TimelineItem, void, undefined> {
    return readTimeline(
      { store: this.#deps.store, conversation: this.id, grown: this.#grown, isClosed: () => this.#closed },
      options,
    );
  }

  async sendTyping(active: boolean): Promise<void> {
    const { context, connection } = this.#deps;
    const { group, phase } = this.#now;
    if (phase !== "open" || group === undefined || !connection.isUp || this.#blockedBy() !== undefined) return;
    const signal = { kind: "typing", active, at: connection.now() } as const;
    const { privateKey } = context.member.signatureKey;
    const payload = encodeBase64Url(await sealSignal(context, group, this.id, privateKey, signal));
    try {
      await connection.request("signal", { conversation: this.id, payload });
    } catch (error) {
      if (!(error instanceof LostAnswer || error instanceof Refused)) throw error;
    }
  }

  onTyping(listener: (typing: Typing) => void): () => void {
    return this.#typing.add(listener);
  }

  async receiveSignal(payload: Uint8Array): Promise<void> {
    const { group } = this.#now;
    if (group === undefined) return;
    const opened = await openSignal(this.#deps.context, group, this.id, payload);
    if (opened === undefined) return;
    const { from, signal } = opened;
    const last = this.#lastSignals.get(from.device) ?? 0;
    if (signal.at <= last || Math.abs(this.#deps.connection.now() - signal.at) > signalLife) return;
    this.#lastSignals.set(from.device, signal.at);
    this.#typing.emit({ account: from.account, device: from.device, active: signal.active });
  }

  async rotateKeys(): Promise<void> {
    this.#requireUsable();
    const rotation = deferred<void>();
    this.#rotations.push(rotation);
    this.run();
    return rotation.promise;
  }

  /** Resolves when it stands. @throws TacitError where it cannot be opened */
  async opened(): Promise<void> {
    if (this.#now.phase === "open" || this.#now.phase === "ended") return;
    if (this.#blockedBy() !== undefined) throw identityChanged();
    const opening = deferred<void>();
    this.#opening.push(opening);
    this.run();
    return opening.promise;
  }

  /** What this device holds of it, for a Welcome. */
  get snapshot(): ConversationState {
    return this.#now;
  }

  /** Takes a step that something else than the log brought, and stores `more` with it. */
  take(
    step: (state: ConversationState) => Step | undefined | Promise<Step | undefined>,
    more: readonly Change[],
  ): Promise<void> {
    return this.#step(async (state) => (await step(state)) ?? silent(state), more).then(() => {
      // A Welcome says where it stands in the log, not what came after it.
      this.#mustRead = true;
    });
  }

  /** Reads what was missed, then sends what waits. The answer is why the log was not read to its end, where that may pass. */
  async catchUp(): Promise<LostAnswer | undefined> {
    this.#mustRead = true;
    this.#attempt = 0;
    this.#cancelRetry?.();
    const done = new Promise<void>((resolve) => this.#readWaiters.push(resolve));
    this.run();
    await done;
    if (!this.#mustRead || this.#closed) return undefined;
    const isReported = this.#deps.connection.isUp && this.#cancelRetry === undefined;
    return isReported ? undefined : new LostAnswer("the log was not read to its end");
  }

  ring(push: Extract<Push, { push: "entries" }>): void {
    this.#rung = Math.max(this.#rung, push.seq);
    void this.#applyRung(push.entries ?? []).then(() => this.run(), this.#fail);
  }

  /** Entries of a doorbell count where they continue what was read. */
  async #applyRung(entries: readonly Entry[]): Promise<void> {
    if (this.#mustRead || entries.some(({ payload }) => "blob" in payload)) return;
    await this.#step(async (state) => {
      if (state.phase !== "open" || state.joinedAt !== undefined) return silent(state);
      let step = silent(state);
      for (const entry of entries) {
        if (entry.seq <= step.state.cursor) continue;
        if (entry.prev !== step.state.cursor) break;
        step = merged(step, await this.#applied(step.state, { entry, payload: await this.#received(entry) }));
      }
      return step;
    });
  }

  close(): Promise<unknown> {
    this.#closed = true;
    this.#cancelRetry?.();
    this.#grown.emit();
    const closed = new TacitError("closed", "the client was closed");
    for (const waiter of [...this.#opening.splice(0), ...this.#rotations.splice(0)]) waiter.reject(closed);
    for (const outgoing of this.#outgoing.values()) outgoing.stop(closed);
    return this.#steps;
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
        this.#stopped();
        this.#recover(error);
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
    if (state.phase === "ended" || state.phase === "awaitingWelcome") {
      this.#mustRead = false;
      return state.phase === "awaitingWelcome" && this.#opening.length > 0 && !waits ? "findWelcome" : undefined;
    }
    if (this.#mustRead || this.#rung > state.cursor) return waits && this.#readFailed ? undefined : "read";
    if (this.#blockedBy() !== undefined) {
      this.#rejectOpening(identityChanged());
      return undefined;
    }
    if (waits) return undefined;
    if (state.pending !== undefined) return "land";
    if (state.phase === "opening") return "create";
    if (this.#rotations.length > 0) return "rotate";
    return state.outbox.length > 0 ? "append" : undefined;
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
      case "create":
        return this.#create();
      case "rotate":
        return this.#step((state) => rotatePending(this.#deps.context, state));
      case "append":
        return this.#append();
    }
  }

  async #read(): Promise<void> {
    const rung = this.#rung;
    this.#mustRead = true;
    let after: number | undefined = this.#now.cursor;
    while (after !== undefined) {
      let page;
      try {
        page = await this.#deps.connection.request("read", { conversation: this.id, after });
      } catch (error) {
        if (!(error instanceof Refused) || error.refusal.code !== "not_a_member") throw error;
        if (this.#now.phase === "open" && ++this.#absences < absencesToEnd) throw error;
        await this.#notThere();
        break;
      }
      this.#absences = 0;
      await this.#applyPage(page.entries);
      if (page.next !== undefined && page.next <= after) throw new LostAnswer("the pages of the log do not advance");
      after = page.next;
    }
    this.#mustRead = false;
    if (this.#rung === rung) this.#rung = 0;
    for (const waiter of this.#readWaiters.splice(0)) waiter();
    if (this.#now.phase === "awaitingWelcome") await this.#findWelcome();
  }

  /** In parts, so that no page makes this device hold more than a few large payloads. */
  async #applyPage(entries: readonly Entry[]): Promise<void> {
    let part: ReadEntry[] = [];
    let held = 0;
    for (const entry of entries) {
      const payload = await this.#received(entry);
      part.push({ entry, payload });
      held += payload?.length ?? 0;
      if (held < readBudget) continue;
      await this.#applyAll(part);
      part = [];
      held = 0;
    }
    await this.#applyAll(part);
  }

  #applyAll(reads: readonly ReadEntry[]): Promise<void> {
    return this.#step(async (state) => {
      let step = silent(state);
      for (const read of reads) step = merged(step, await this.#applied(step.state, read));
      return step;
    });
  }

  async #applied(state: ConversationState, read: ReadEntry): Promise<Step> {
    try {
      return await applyEntry(this.#deps.context, state, read);
    } catch (cause) {
      this.#deps.failed(new TacitError("internal", "an entry could not be read", { cause }));
      return passOver(state, read.entry);
    }
  }

  #received({ payload }: Entry): Promise<Uint8Array | undefined> {
    return received({ ...this.#deps, provider: this.#deps.context.provider }, payload);
  }

  /** The Welcome landed together with the creation, so it is in the inbox, or this device was left out. */
  async #findWelcome(): Promise<void> {
    await this.#deps.readInbox();
    if (this.#now.phase !== "awaitingWelcome") return;
    this.#rejectOpening(new TacitError("cannot_follow", "the conversation was created without this device"));
  }

  #rejectOpening(error: TacitError): void {
    for (const waiter of this.#opening.splice(0)) waiter.reject(error);
  }

  /** Not on the roster, or no such conversation. */
  async #notThere(): Promise<void> {
    if (this.#now.phase !== "open") return;
    await this.#step((state) => {
      const at = { seq: state.cursor, storedAt: this.#deps.connection.now() };
      return noted({ ...state, phase: "ended", pending: undefined }, { kind: "cannotFollow" }, at);
    });
  }

  async #create(): Promise<void> {
    const { context, claim, connection } = this.#deps;
    const claimed: Claimed[] = [];
    for (const account of this.#now.roster) {
      if (account !== context.account) claimed.push(...(await claim(account)));
    }
    await this.#step(async (state) =>
      state.phase === "opening" && state.pending === undefined
        ? createPending(context, state, claimed, connection.now())
        : silent(state),
    );
  }

  async #land(): Promise<void> {
    const { connection } = this.#deps;
    const { pending, roster } = this.#now;
    if (pending === undefined) return;
    const payloads = { ...this.#deps, provider: this.#deps.context.provider };
    const parts = [pending.commit, ...pending.welcomes.map(({ welcome }) => welcome)];
    const room = limits.requestFrame - landingOverhead.commit - landingOverhead.welcome * pending.welcomes.length;
    const [payload, ...welcomePayloads] = await sendableTogether(payloads, parts, room);
    const landing = {
      conversation: this.id,
      entry: pending.entry,
      payload: payload!,
      welcomes: pending.welcomes.map(({ device, claim }, index) => ({
        device,
        claim,
        payload: welcomePayloads[index]!,
      })),
      blobs: [],
    };
    // Whatever the answer, the log decides.
    this.#mustRead = true;
    try {
      if (pending.kind === "create") {
        await connection.request("createConversation", { ...landing, roster: [...roster], generation: 0 });
      } else {
        await connection.request("commit", { ...landing, turn: pending.turn, add: [], remove: [] });
      }
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      switch (error.refusal.code) {
        case "conversation_exists":
          await this.#step((state) => (state.pending === pending ? lostCreation(state) : silent(state)));
          return this.#findWelcome();
        case "key_package_not_claimed":
          await this.#step((state) => (state.pending === pending ? withoutPending(state) : silent(state)));
          return this.#again(error);
        case "stale":
        case "not_a_member":
          return this.#again(new LostAnswer("the turn is over"));
        default:
          if (!isFinal(error)) throw error;
          return this.#discard(pending, error);
      }
    }
    if (this.#now.pending === pending) await this.#read();
    if (this.#now.pending === pending) throw new LostAnswer("the log does not show the commit that it accepted");
    // Accepted, and void in the log that the relay shows: the next one may fare no better.
    const isVoid = this.#now.group?.epoch !== pending.next.epoch;
    if (isVoid && this.#rotations.length > 0)
      this.#again(new LostAnswer("the log shows another commit than was accepted"));
  }

  /** The relay will never take it; unless the log shows that it did, when an answer was lost. */
  async #discard(pending: PendingCommit, error: Refused): Promise<void> {
    await this.#read();
    if (this.#now.pending !== pending) return;
    await this.#step((state) => (state.pending === pending ? withoutPending(state) : silent(state)));
    if (pending.kind === "create") throw error;
    for (const rotation of this.#rotations.splice(0)) rotation.reject(translate(error));
  }

  async #append(): Promise<void> {
    const { context, connection } = this.#deps;
    await this.#step((state) => (state.group === undefined ? silent(state) : sealBatch(context, state)));
    const batch = nextBatch(this.#now);
    if (batch.length === 0) return this.#again(new LostAnswer("nothing could be sealed"));
    const { turn } = this.#now;
    const entries: Request<"append">["entries"] = [];
    for (const { sealed } of batch) {
      entries.push({
        id: sealed.entry,
        payload: await sendable({ ...this.#deps, provider: context.provider }, sealed.ciphertext),
      });
    }
    this.#mustRead = true;
    let accepted;
    try {
      ({ accepted } = await connection.request("append", { conversation: this.id, turn, entries }));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const { code } = error.refusal;
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
    await this.#step(async (state) => {
      let step = silent(state);
      for (const each of own) step = merged(step, await this.#applied(step.state, each));
      return step;
    });
    this.#mustRead = false;
    this.#attempt = 0;
  }

  /** Goes on at once the first time, then with backoff: what should have made progress may not have. */
  #again(error: Error): void {
    if (this.#attempt++ > 0) throw error;
  }

  async #giveUp(numbers: readonly number[], error: TacitError): Promise<void> {
    await this.#step((state) => silent(dropOutgoing(state, numbers)));
    for (const number of numbers) {
      this.#outgoing.get(number)?.stop(error);
      this.#outgoing.delete(number);
    }
  }

  readonly #fail = (error: unknown): void => this.#recover(error);

  /** After something that was not done: later, or never. */
  #recover(error: unknown): void {
    if (this.#closed) return;
    const { clock, context, connection, logger } = this.#deps;
    const known = error instanceof LostAnswer || error instanceof Refused || error instanceof TacitError;
    if (!known) logger.warn("conversation failed", { error: error instanceof Error ? error.name : "unknown" });
    const translated = translate(error);
    if (this.#now.phase === "opening" && !(error instanceof LostAnswer))
      this.#openingFailed(translated, isFinal(error));
    const mayPass = error instanceof Refused ? !isFinal(error) : known && translated.retryable;
    if (this.#closed || !mayPass) {
      this.#rejectOpening(translated);
      if (!known || translated.code === "store_failed") this.#deps.failed(translated);
      return;
    }
    // Without a connection, the next one starts it again.
    if (!connection.isUp || this.#cancelRetry !== undefined) return;
    const wait = error instanceof Refused ? Math.min(error.refusal.retryAfter ?? 0, longestWait) : 0;
    const delay = wait + 50 + backoff(retryBackoff, this.#attempt++, uniformOf(context.provider.random));
    const cancel = clock.after(delay, () => {
      this.#cancelRetry = undefined;
      this.run();
    });
    this.#cancelRetry = () => {
      cancel();
      this.#cancelRetry = undefined;
    };
  }

  #openingFailed(error: TacitError, isFinal: boolean): void {
    // It may be in the log: only the log can tell.
    if (this.#now.pending !== undefined) return;
    this.#rejectOpening(error);
    if (this.#now.outbox.length > 0) {
      if (!error.retryable && error.code !== "identity_changed") this.#deps.failed(error);
      if (!isFinal) return;
      for (const outgoing of this.#outgoing.values()) outgoing.stop(error);
    }
    this.#closed = true;
    this.#grown.emit();
    this.#deps.abandoned(this);
  }

  /** Computes, stores, then releases. */
  #step(compute: (state: ConversationState) => Step | Promise<Step>, more: readonly Change[] = []): Promise<void> {
    const step = this.#steps.then(() => this.#take(compute, more));
    this.#steps = step.catch(() => {});
    return step;
  }

  async #take(compute: (state: ConversationState) => Step | Promise<Step>, more: readonly Change[]): Promise<void> {
    const before = this.#now;
    const computed = await compute(before);
    const { group } = computed.state;
    const leaves = group === undefined || group.epoch === before.group?.epoch ? [] : identities(group);
    const { context, peers } = this.#deps;
    const shown = [...leaves, ...(computed.heard ?? [])].filter(({ account }) => account !== context.account);
    const keep = (): Promise<void> => this.#keep(before, computed, peers.meet(shown), more);
    return shown.length === 0 ? keep() : peers.alone(keep);
  }

  async #keep(
    before: ConversationState,
    computed: Step,
    met: ReturnType<PeerBook["meet"]>,
    more: readonly Change[],
  ): Promise<void> {
    const warned = met.changed.reduce((all, account) => {
      const at = { seq: all.state.cursor, storedAt: this.#deps.connection.now() };
      return merged(all, noted(all.state, { kind: "identityChanged", account }, at));
    }, computed);
    const step = warned.state.phase === "ended" ? { ...warned, state: withoutRemains(warned.state) } : warned;
    const writes = [...changes(this.#stored, step), ...met.changes, ...more];
    if (writes.length > 0) await this.#deps.store.commit(writes);
    this.#stored = this.#now = step.state;
    met.stored();
    wipe(step.consumed);
    this.#release(before, step, met.changed);
  }

  #release(before: ConversationState, { state, items }: Step, changed: readonly string[]): void {
    const delivered = before.outbox.filter(({ number }) => !state.outbox.some((item) => item.number === number));
    for (const { number, id } of delivered) {
      const message = items.find((item) => item.kind === "message" && item.mine && item.id === id);
      if (message?.kind !== "message") continue;
      this.#outgoing.get(number)?.arrived(message);
      this.#outgoing.delete(number);
    }
    if (items.length > 0) this.#grown.emit();
    for (const account of changed) this.#deps.identityChanged(account);
    const shown = shownState(state);
    if (shown !== this.state.current) this.state.set(shown);
    if (shown !== "opening") for (const waiter of this.#opening.splice(0)) waiter.resolve();
    if (
      before.pending?.kind === "rotate" &&
      state.pending === undefined &&
      state.group?.epoch === before.pending.next.epoch
    ) {
      for (const rotation of this.#rotations.splice(0)) rotation.resolve();
    }
    if (shown === "ended") this.#endedFor(new TacitError("not_a_member", "the conversation has ended on this device"));
  }

  #endedFor(error: TacitError): void {
    for (const outgoing of this.#outgoing.values()) outgoing.stop(error);
    this.#outgoing.clear();
    for (const rotation of this.#rotations.splice(0)) rotation.reject(error);
  }
}

/** What has ended keeps no keys, and sends nothing. */
function withoutRemains(state: ConversationState): ConversationState {
  if (state.group === undefined && state.outbox.length === 0) return state;
  return { ...state, group: undefined, outbox: [] };
}

function isFinal(error: unknown): boolean {
  return error instanceof Refused && finalCodes.has(error.refusal.code);
}

function shownState({ phase }: ConversationState): "opening" | "open" | "ended" {
  return phase === "awaitingWelcome" ? "opening" : phase;
}
