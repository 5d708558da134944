/**
 * The state of one conversation and the one way in which it changes: a step computes, what it changed is stored, and only then is anything
 * shown, sent or wiped. Steps come one after another.
 */
import type { ConversationDeps } from "./conversationDeps.ts";
import { TacitError } from "../errors.ts";
import type { Met } from "../account/peerBook.ts";
import { contradicted, isMet } from "./pinsInConversation.ts";
import { isDirect } from "@tacit/protocol";
import { wipe } from "../session/bytes.ts";
import { merged, noted, silent, type ConversationState, type Step } from "../session/conversation.ts";
import { changes, type Change } from "../session/conversationStore.ts";
import { identities } from "../session/group/group.ts";
import { withoutRemains } from "../session/remains.ts";
import { ShownMessages } from "./shownMessages.ts";

export type Compute = (state: ConversationState) => Step | undefined | Promise<Step | undefined>;

/** Told when a step is stored. */
export type Released = (before: ConversationState, step: Step) => void;

export class ConversationSteps {
  /** What its timeline shows, however long ago. */
  readonly shown: ShownMessages;
  readonly #deps: ConversationDeps;
  readonly #released: Released;
  #stored: ConversationState | undefined;
  #now: ConversationState;
  #last: Promise<unknown> = Promise.resolve();
  #isClosed = false;
  #unsettled = 0;

  /** `stored`: what the store holds of it. */
  constructor(
    deps: ConversationDeps,
    state: ConversationState,
    stored: ConversationState | undefined,
    released: Released,
  ) {
    this.shown = new ShownMessages(deps.store, state.id);
    this.#deps = deps;
    this.#now = state;
    this.#stored = stored;
    this.#released = released;
  }

  get now(): ConversationState {
    return this.#now;
  }

  /** A step is on its way: what it makes of the conversation is not in `now` yet. */
  get isBusy(): boolean {
    return this.#unsettled > 0;
  }

  /** Settles when all steps so far have. */
  get settled(): Promise<unknown> {
    return this.#last;
  }

  /**
   * Takes no further step: whoever still waits for an answer must not write into what is deleted. Settles when all steps so far
   * have.
   */
  close(): Promise<unknown> {
    this.#isClosed = true;
    return this.#last;
  }

  /**
   * Computes, stores together with `more`, then releases. Undefined: nothing changes, and `more` is stored alone.
   * @throws TacitError `closed` after `close`
   */
  async take(compute: Compute, more: readonly Change[] = []): Promise<void> {
    if (this.#isClosed) throw new TacitError("closed", "the client was closed");
    const step = this.#last.then(() => this.#take(compute, more));
    this.#unsettled++;
    this.#last = step.catch(() => {}).then(() => void this.#unsettled--);
    return step;
  }

  async #take(compute: Compute, more: readonly Change[]): Promise<void> {
    const before = this.#now;
    const computed = (await compute(before)) ?? silent(before);
    const { state } = computed;
    const { group } = state;
    const isAccepted = before.requestBy !== undefined && state.requestBy === undefined;
    const isNew = group !== undefined && (group.epoch !== before.group?.epoch || isAccepted);
    const { context, peers } = this.#deps;
    const { account: self } = context();
    const shown = [...(isNew ? identities(group) : []), ...(computed.heard ?? [])].filter(
      (leaf) => leaf.account !== self && isMet(peers, state, leaf),
    );
    const keep = (): Promise<void> => this.#keep(before, computed, peers.meet(shown), more);
    await (shown.length === 0 ? keep() : peers.alone(keep));
    for (const heard of computed.heard ?? []) if (heard.account === self) this.#deps.heardOwn(heard);
  }

  async #keep(before: ConversationState, computed: Step, met: Met, more: readonly Change[]): Promise<void> {
    const { context, peers } = this.#deps;
    const { account: self } = context();
    const known = new Set([...contradicted(peers, before, self), ...met.changed.map(({ account }) => account)]);
    const isNew = computed.state.group?.epoch !== before.group?.epoch;
    const here = isNew && !isDirect(computed.state.log) ? contradicted(peers, computed.state, self) : [];
    const changed = [
      ...met.changed,
      ...here.filter((account) => !known.has(account)).map((account) => ({ account, proven: false })),
    ];
    const warned = changed.reduce((all, { account, proven }) => {
      const at = { seq: all.state.cursor, storedAt: this.#deps.connection.now() };
      return merged(all, noted(all.state, { kind: "identityChanged", account, ...(proven ? { proven } : {}) }, at));
    }, computed);
    const step = withoutRemains(warned);
    const writes = [...changes(this.#stored, step), ...met.changes, ...more];
    if (writes.length > 0) await this.#deps.store.commit(writes);
    this.#stored = this.#now = step.state;
    met.stored();
    wipe(step.consumed);
    this.#released(before, step);
    this.#deps.follow({ ...met, changed });
  }
}
