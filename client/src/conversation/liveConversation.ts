/** One conversation as an application has it: a view of its steps and its work. */
import type {
  Conversation,
  ConversationInfo,
  ConversationStatus,
  IterateOptions,
  Message,
  OutgoingMessage,
  Typing,
} from "../api.ts";
import type { ConversationDeps } from "./conversationDeps.ts";
import { ConversationSteps, type Compute } from "./conversationSteps.ts";
import { ConversationWork } from "./conversationWork.ts";
import { TacitError } from "../errors.ts";
import { listenerSet, subject } from "../observable.ts";
import { Outgoing } from "./outgoing.ts";
import { withAccepted } from "./pinsInConversation.ts";
import { fetchPicture, storePicture } from "./picture.ts";
import { readTimeline } from "./readTimeline.ts";
import { behind } from "./storedTimeline.ts";
import { LostAnswer, Refused } from "../connection/relaySocket.ts";
import { silent, type ConversationState, type IntentBody, type Step } from "../session/conversation.ts";
import type { Change } from "../session/conversationStore.ts";
import { randomId } from "../session/cryptoContext.ts";
import { longestTitle, roleOf, type Role } from "../session/group/groupData.ts";
import { identities } from "../session/group/group.ts";
import type { ImportedHistory } from "../session/history/importedHistory.ts";
import { isRenewalDue } from "../session/renewal.ts";
import { enqueue } from "../session/outbox.ts";
import { openSignal, sealSignal } from "../session/signal.ts";
import { isDirect, encodeBase64Url, type Push } from "@tacit/protocol";
import type { TimelineItem } from "../session/timeline.ts";
import { wantRepair } from "../session/repair/wantRepair.ts";
import { identityChanged } from "../translate.ts";

/** MLS and JSON around it fit a blob with ease. */
const longestText = 256 * 1024;
/** A typing signal that is older than this is over. */
const signalLife = 30_000;
/** Milliseconds after which an own device that had no key packages out is looked for again, where nothing was heard of it. */
const untilTriedAgain = 6 * 3_600_000;
/** Accounts that one call invites. */
const mostInvited = 1_000;

export class LiveConversation implements Conversation {
  readonly id: string;
  readonly kind: "direct" | "group";
  readonly state;
  readonly info;
  readonly #deps: ConversationDeps;
  readonly #steps: ConversationSteps;
  readonly #work: ConversationWork;
  readonly #outgoing = new Map<number, Outgoing>();
  readonly #grown = listenerSet<void>();
  readonly #typing = listenerSet<Typing>();
  readonly #lastSignals = new Map<string, number>();
  /** `<log> <device>` -> when that own device, which was not in, was last to be brought in. */
  readonly #tried = new Map<string, number>();

  constructor(deps: ConversationDeps, state: ConversationState, stored: ConversationState | undefined) {
    this.#deps = deps;
    this.id = state.id;
    this.kind = isDirect(state.id) ? "direct" : "group";
    this.#steps = new ConversationSteps(deps, state, stored, (before, step) => this.#release(before, step));
    this.#work = new ConversationWork(deps, this.#steps, {
      gaveUp: (numbers, error) => this.#stopOutgoing(numbers, error),
    });
    this.state = subject(shownState(state));
    this.info = subject(infoOf(state));
    for (const item of state.outbox) this.#outgoing.set(item.number, new Outgoing(item));
  }

  get members(): readonly string[] {
    return this.#steps.now.roster;
  }

  /** What this device holds of it. */
  get snapshot(): ConversationState {
    return this.#steps.now;
  }

  outgoing(): readonly OutgoingMessage[] {
    return [...this.#outgoing.values()];
  }

  /** Something of it waits to come to the relay. */
  get isBusy(): boolean {
    return this.#outgoing.size > 0 || !this.#work.waiters.isEmpty;
  }

  async send({ text }: { readonly text: string }): Promise<OutgoingMessage> {
    this.#requireUsable();
    if (typeof text !== "string") throw new TacitError("invalid_argument", "send: text is missing");
    if (text.length > longestText) throw new TacitError("too_large", `a text has at most ${longestText} characters`);
    const message = { id: randomId(this.#deps.context().provider), text, sentAt: this.#deps.connection.now() };
    const outgoing = new Outgoing(message);
    let number: number | undefined;
    try {
      await this.#steps.take((state) => {
        this.#requireUsable();
        number = state.nextOutbox;
        this.#outgoing.set(number, outgoing);
        // Whoever answers has accepted.
        return silent(enqueue({ ...state, requestBy: undefined }, message));
      });
    } catch (error) {
      if (number !== undefined && this.#outgoing.get(number) === outgoing) this.#outgoing.delete(number);
      throw error;
    }
    this.#work.wanted();
    return outgoing;
  }

  #requireUsable(): void {
    this.#requireThere();
    if (this.#work.blockedBy !== undefined) throw identityChanged();
  }

  #requireThere(): void {
    if (this.#work.isClosed) throw new TacitError("closed", "the client was closed");
    if (this.#steps.now.phase === "ended") {
      throw new TacitError("not_a_member", "the conversation has ended on this device");
    }
  }

  async *messages(options?: IterateOptions): AsyncGenerator<Message, void, undefined> {
    for await (const item of this.timeline(options)) if (item.kind === "message") yield item;
  }

  timeline(options?: IterateOptions): AsyncGenerator<TimelineItem, void, undefined> {
    return readTimeline(
      {
        store: this.#deps.store,
        conversation: this.id,
        grown: this.#grown,
        isClosed: () => this.#work.isClosed,
      },
      options,
    );
  }

  async invite(accounts: readonly string[]): Promise<void> {
    requireAccounts("invite", accounts);
    if (accounts.length > mostInvited) throw new TacitError("too_large", `invite: at most ${mostInvited} at a time`);
    await this.#intendInGroup("invite", { kind: "invite", accounts, claimed: [] });
  }

  async remove(accounts: readonly string[]): Promise<void> {
    requireAccounts("remove", accounts);
    if (accounts.includes(this.#deps.context().account)) {
      throw new TacitError("invalid_argument", "remove: to go, leave");
    }
    await this.#intendInGroup("remove", { kind: "remove", accounts });
  }

  async setRole(account: string, role: Role): Promise<void> {
    requireAccounts("setRole", [account]);
    if (!this.members.includes(account)) throw new TacitError("not_a_member", "setRole: no member of the group");
    await this.#intendInGroup("setRole", { kind: "role", account, role });
  }

  async setTitle(title: string): Promise<void> {
    if (typeof title !== "string" || title.length > longestTitle) {
      throw new TacitError("invalid_argument", `setTitle: a title has at most ${longestTitle} characters`);
    }
    await this.#intendInGroup("setTitle", { kind: "describe", title });
  }

  async setPicture(picture: Uint8Array | undefined): Promise<void> {
    this.#requireGroup("setPicture");
    const stored = picture === undefined ? null : await storePicture(this.#deps, picture);
    await this.#intendInGroup("setPicture", { kind: "describe", picture: stored });
  }

  async picture(): Promise<Uint8Array | undefined> {
    const { picture } = this.#steps.now.data;
    return picture === undefined ? undefined : fetchPicture(this.#deps, picture);
  }

  async leave(): Promise<void> {
    this.#requireGroup("leave");
    this.#requireThere();
    if (this.#steps.now.requestBy !== undefined) return this.decline();
    const { done } = await this.#work.intend({ kind: "leave" });
    return done;
  }

  #requireGroup(verb: string): void {
    if (this.kind === "direct") {
      throw new TacitError("invalid_argument", `${verb}: a direct conversation stays what it is`);
    }
  }

  async #intendInGroup(verb: string, body: IntentBody): Promise<void> {
    this.#requireGroup(verb);
    await this.#intend(body);
  }

  async #intend(body: IntentBody): Promise<void> {
    this.#requireUsable();
    // Whoever changes something has accepted.
    await this.accept();
    const { done } = await this.#work.intend(body);
    return done;
  }

  async accept(): Promise<void> {
    if (this.#steps.now.requestBy === undefined) return;
    await this.#steps.take((state) =>
      state.requestBy === undefined || state.phase === "ended" ? undefined : silent({ ...state, requestBy: undefined }),
    );
    this.#work.wanted();
  }

  async decline(): Promise<void> {
    if (this.#steps.now.requestBy === undefined) {
      throw new TacitError("invalid_argument", "decline: this is no request (any more)");
    }
    // Who cannot follow would have to be put in anew to say that they go.
    if (this.kind === "direct" || this.#steps.now.phase !== "open") return this.end();
    const { done } = await this.#work.intend({ kind: "leave" });
    return done;
  }

  async block(): Promise<void> {
    const { requestBy } = this.#steps.now;
    const by = requestBy ?? this.members.find((account) => account !== this.#deps.context().account);
    if (by === undefined || (requestBy === undefined && this.kind === "group")) {
      throw new TacitError("invalid_argument", "block: this is no request (any more)");
    }
    await this.#deps.peers.shun(by);
    if (this.state.current === "ended") return;
    if (requestBy !== undefined) await this.decline();
    else await this.end();
  }

  /** On this device: nothing more is read or shown. Who asked for what was not wanted stays a stranger. */
  async end(): Promise<void> {
    await this.#steps.take((state) => silent({ ...state, phase: "ended", anchors: [] }));
  }

  async sendTyping(active: boolean): Promise<void> {
    const { connection } = this.#deps;
    const context = this.#deps.context();
    const { group, phase, log, requestBy } = this.#steps.now;
    const mayShow = phase === "open" && requestBy === undefined && this.#work.blockedBy === undefined;
    if (!mayShow || group === undefined || !connection.isUp) return;
    const signal = { kind: "typing", active, at: connection.now() } as const;
    const { privateKey } = context.member.signatureKey;
    const payload = encodeBase64Url(await sealSignal(context, group, log, privateKey, signal));
    try {
      await connection.request("signal", { conversation: log, payload });
    } catch (error) {
      if (!(error instanceof LostAnswer || error instanceof Refused)) throw error;
    }
  }

  onTyping(listener: (typing: Typing) => void): () => void {
    return this.#typing.add(listener);
  }

  async receiveSignal(payload: Uint8Array): Promise<void> {
    const { group, log } = this.#steps.now;
    if (group === undefined) return;
    const opened = await openSignal(this.#deps.context(), group, log, payload);
    if (opened === undefined) return;
    const { from, signal } = opened;
    const last = this.#lastSignals.get(from.device) ?? 0;
    if (signal.at <= last || Math.abs(this.#deps.connection.now() - signal.at) > signalLife) return;
    this.#lastSignals.set(from.device, signal.at);
    this.#typing.emit({ account: from.account, device: from.device, active: signal.active });
  }

  async rotateKeys(): Promise<void> {
    await this.#intend({ kind: "rotate" });
  }

  async repair(): Promise<void> {
    this.#requireUsable();
    const { connection, context } = this.#deps;
    await this.#steps.take((state) => wantRepair(state, context().account, connection.now()));
    this.#work.wanted();
  }

  /** The application trusts the keys that `account` has here; of these, `alone`, where it is given. */
  async acceptKeysOf(account: string, alone: string | undefined): Promise<void> {
    await this.#steps.take((state) => {
      const accepted = withAccepted(state, account, alone);
      return accepted === state ? undefined : silent(accepted);
    });
    this.#work.wanted();
  }

  opened(): Promise<void> {
    return this.#work.opened();
  }

  /** Something that the client wants of it by itself; nobody waits for it. */
  async intend(body: IntentBody): Promise<void> {
    if (this.#work.isClosed || this.#steps.now.phase === "ended") return;
    await this.#work.intend(body);
  }

  /**
   * Brings the own account's devices in the group to what its record lists. One that has no key packages out is tried again some hours later, or
   * where there `isNews` of the account.
   */
  async reconcile(own: readonly string[], { isNews = false } = {}): Promise<void> {
    const { group, log, phase, requestBy, intents } = this.#steps.now;
    if (isNews) this.#tried.clear();
    if (phase !== "open" || group === undefined || requestBy !== undefined) return;
    if (intents.some(({ kind }) => kind === "devices")) return;
    const { account } = this.#deps.context();
    const now = this.#deps.connection.now();
    const inside = identities(group).filter((leaf) => leaf.account === account);
    for (const { device } of inside) this.#tried.delete(`${log} ${device}`);
    const isDue = (device: string): boolean =>
      now - (this.#tried.get(`${log} ${device}`) ?? -Infinity) >= untilTriedAgain;
    const add = own.filter((device) => !inside.some((leaf) => leaf.device === device) && isDue(device));
    for (const device of add) this.#tried.set(`${log} ${device}`, now);
    const remove = inside.filter(({ device }) => !own.includes(device)).map(({ device }) => device);
    if (add.length + remove.length > 0) await this.intend({ kind: "devices", add, remove, claimed: [] });
  }

  /** New keys for the own leaf, where that is due: so that a stolen state is soon worth nothing, and large trees stay warm. */
  async renewIfDue(): Promise<void> {
    const { connection, context } = this.#deps;
    const { provider, renewals } = context();
    if (isRenewalDue(this.#steps.now, connection.now(), provider.random, renewals)) {
      await this.intend({ kind: "rotate", unlessBusy: true });
    }
  }

  /** Takes a step that something else than the log brought, and stores `more` with it. */
  async take(step: Compute, more: readonly Change[] = []): Promise<void> {
    await this.#steps.take(step, more);
    this.#work.lookAgain();
  }

  /** History that this device was handed goes before all else. A timeline that has begun is kept as it is. */
  async takeOver({ items, mark }: ImportedHistory): Promise<void> {
    const isEmpty = ({ nextPosition }: ConversationState): boolean => nextPosition === 1;
    if (!isEmpty(this.snapshot)) return;
    await this.#steps.take(
      (state) => (isEmpty(state) ? { ...silent(behind(state, items)), items } : undefined),
      [mark],
    );
  }

  catchUp(): Promise<LostAnswer | undefined> {
    return this.#work.catchUp();
  }

  ring(push: Extract<Push, { push: "entries" }>): void {
    this.#work.ring(push);
  }

  run(): void {
    this.#work.run();
  }

  /** The application took away what kept it back. */
  goOn(): void {
    this.#work.wanted();
  }

  close(): Promise<unknown> {
    const closed = new TacitError("closed", "the client was closed");
    this.#work.close();
    this.#grown.emit();
    for (const outgoing of this.#outgoing.values()) outgoing.stop(closed);
    return this.#steps.close();
  }

  #release(before: ConversationState, { state, items }: Step): void {
    const delivered = before.outbox.filter(({ number }) => !state.outbox.some((item) => item.number === number));
    for (const { number, id } of delivered) {
      const message = items.find((item) => item.kind === "message" && item.mine && item.id === id);
      if (message?.kind !== "message") continue;
      this.#outgoing.get(number)?.arrived(message);
      this.#outgoing.delete(number);
    }
    if (items.length > 0) this.#grown.emit();
    const shown = shownState(state);
    if (shown !== this.state.current) this.state.set(shown);
    const isAsSaid =
      before.group?.epoch === state.group?.epoch && before.data === state.data && before.roster === state.roster;
    if (!isAsSaid || before.requestBy !== state.requestBy || before.phase !== state.phase) {
      this.info.set(infoOf(state));
    }
    if (before.log !== state.log) this.#deps.moved(this.id, state.log);
    this.#work.released(before);
    if (shown === "ended") {
      this.#stopOutgoing(
        [...this.#outgoing.keys()],
        new TacitError("not_a_member", "the conversation has ended on this device"),
      );
    }
  }

  #stopOutgoing(numbers: readonly number[], error: TacitError): void {
    for (const number of numbers) {
      this.#outgoing.get(number)?.stop(error);
      this.#outgoing.delete(number);
    }
  }
}

function requireAccounts(verb: string, accounts: readonly string[]): void {
  const areNames = accounts.every((account) => typeof account === "string" && /^[\x21-\x7e]{1,128}$/.test(account));
  if (accounts.length === 0 || !areNames) throw new TacitError("invalid_argument", `${verb}: name accounts`);
}

function shownState({ phase, requestBy }: ConversationState): ConversationStatus {
  switch (phase) {
    case "opening":
    case "awaitingWelcome":
      return "opening";
    case "open":
      return requestBy === undefined ? "open" : "requested";
    case "stuck":
      // It is put in anew once its user says that they want it.
      return requestBy === undefined ? "repairing" : "requested";
    case "ended":
      return "ended";
  }
}

function infoOf({ group, roster, data, requestBy, phase }: ConversationState): ConversationInfo {
  const devices = new Map<string, string[]>();
  for (const { account, device } of group === undefined ? [] : identities(group)) {
    const known = devices.get(account);
    if (known === undefined) devices.set(account, [device]);
    else known.push(device);
  }
  return {
    title: data.title,
    hasPicture: data.picture !== undefined,
    members: roster.map((account) => ({
      account,
      role: roleOf(data, account),
      devices: devices.get(account) ?? [],
    })),
    ...(requestBy === undefined || phase === "ended" ? {} : { invitedBy: requestBy }),
  };
}
