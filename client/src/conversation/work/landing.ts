/** Landing the own commit, and what the relay's refusals mean. Whatever it answers, the log decides. */
import { landCommit, landedEntry, progressOf, type LandingProgress } from "../landCommit.ts";
import { applyAll } from "../readLog.ts";
import { LostAnswer, Refused } from "../../connection/relaySocket.ts";
import type { ConversationState, PendingCommit, Step } from "../../session/conversation.ts";
import { groupDataOf, leavesOf } from "../../session/group/group.ts";
import { withoutClaims } from "../../session/intents.ts";
import { lostCreation, withoutPending } from "../../session/pendingCommit.ts";
import { translate } from "../../translate.ts";
import { findWelcome } from "./findWelcome.ts";
import { refuse } from "./intending.ts";
import { isFinal } from "./isFinal.ts";
import type { Work } from "./work.ts";

export class Landing {
  readonly #work: Work;
  /** The hash of a picture of the group that is gone from the relay. */
  #lostPicture: string | undefined;
  /** What is laid in place for the pending commit. */
  #progress: LandingProgress | undefined;

  constructor(work: Work) {
    this.#work = work;
  }

  /** @throws Refused, LostAnswer */
  async land(): Promise<void> {
    const { deps, steps, reading, turns } = this.#work;
    const state = steps.now;
    const { pending } = state;
    if (pending === undefined) return;
    reading.owe();
    const since = deps.clock.now();
    let landed;
    try {
      const landingDeps = { ...deps, provider: deps.context().provider };
      const progress = progressOf(this.#progress, pending, since);
      this.#progress = progress;
      const withoutPicture = this.#lostPicture !== undefined && pictureIn(pending) === this.#lostPicture;
      landed = await landCommit(landingDeps, state, pending, { withoutPicture, progress });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return this.#notLanded(pending, error, since);
    }
    turns.won();
    this.#progress = undefined;
    if (this.#isPending(pending)) await reading.read();
    if (this.#isPending(pending) && pending.kind === "create" && steps.now.cursor === 0) {
      await applyAll(deps, steps, state, [landedEntry(deps.context(), pending, landed, 0)]);
      reading.owe();
    }
    if (this.#isPending(pending)) throw new LostAnswer("the log does not show the commit that it accepted");
    this.#requireValid(pending);
  }

  #isPending(pending: PendingCommit): boolean {
    const { now } = this.#work.steps;
    return now.pending === pending && now.phase !== "stuck";
  }

  /** Accepted, and void in the log that the relay shows: the next one may fare no better. */
  #requireValid(pending: PendingCommit): void {
    const { steps, retry } = this.#work;
    const isVoid = steps.now.group?.epoch !== pending.next.epoch;
    if (isVoid && steps.now.intents.length > 0) {
      retry.again(new LostAnswer("the log shows another commit than was accepted"));
    }
  }

  async #notLanded(pending: PendingCommit, error: Refused, since: number): Promise<void> {
    const { steps, reading, retry } = this.#work;
    const { code } = error.refusal;
    if (code === "blob_missing" || code === "key_package_not_claimed") this.#progress = undefined;
    switch (code) {
      case "conversation_exists":
        await steps.take((state) => (state.pending === pending ? lostCreation(state) : undefined));
        return findWelcome(this.#work);
      case "key_package_not_claimed":
        await steps.take((state) => {
          if (state.pending !== pending) return undefined;
          const step = withoutPending(state);
          return pending.intent === undefined ? step : { ...step, state: withoutClaims(step.state, pending.intent) };
        });
        return retry.again(new LostAnswer("the claims are of no use any more"));
      case "blob_missing":
        if (pictureIn(pending) === this.#lostPicture) throw error;
        this.#lostPicture = pictureIn(pending);
        return;
      case "stale":
        return this.#lostTurn(pending, error, since);
      case "not_a_member":
        await reading.read();
        await steps.take((state) =>
          state.pending === pending && this.#isDropped(state) ? withoutRestoring(state) : undefined,
        );
        return retry.again(new LostAnswer("the relay does not take it"));
      case "invalid_roster": {
        // The roster is not what this device believes: what it has not read tells, unless it may not read it.
        const { cursor } = steps.now;
        await reading.read();
        await steps.take((state) => {
          if (state.pending !== pending) return undefined;
          return this.#isDropped(state) && state.cursor === cursor ? withoutRestoring(state) : withoutPending(state);
        });
        return retry.again(error);
      }
      default:
        if (!isFinal(error)) throw error;
        return this.#discard(pending, error);
    }
  }

  /** By a void commit, which this device would mend. */
  #isDropped({ unlisted }: ConversationState): boolean {
    return unlisted.includes(this.#work.deps.context().account);
  }

  /**
   * Another commit was faster. The next attempt waits its chance, and the log is read then: by that time doorbells have brought what
   * ended the turn, or it was missed.
   */
  #lostTurn(pending: PendingCommit, { refusal }: Refused, since: number): void {
    const { steps, reading, turns, retry } = this.#work;
    // The relay says one thing, and its log another.
    if (!turns.isOver(pending.turn)) {
      return retry.again(new LostAnswer("the turn is over, and the log does not show it"));
    }
    const { group, cursor } = steps.now;
    reading.owesNothing();
    reading.rung(refusal.head?.seq ?? cursor + 1);
    retry.cancel();
    turns.lost(group === undefined ? 1 : leavesOf(group).length, since);
    turns.expectDoorbells(this.#isPending(pending));
  }

  /** The relay will never take it; unless the log shows that it did, when an answer was lost. */
  async #discard(pending: PendingCommit, error: Refused): Promise<void> {
    const { steps, reading } = this.#work;
    await reading.read();
    if (!this.#isPending(pending)) return;
    await steps.take((state) => (state.pending === pending ? withoutPending(state) : undefined));
    if (pending.kind === "create") throw error;
    const intent = steps.now.intents.find(({ id }) => id === pending.intent);
    if (intent !== undefined) await refuse(this.#work, intent, translate(error));
  }
}

function pictureIn({ next }: PendingCommit): string | undefined {
  return groupDataOf(next)?.picture?.hash;
}

/** The relay does not let this account put itself back on the roster. */
function withoutRestoring(state: ConversationState): Step {
  const step = withoutPending(state);
  return { ...step, state: { ...step.state, justDropped: [] } };
}
