/**
 * A device and the application on it: one client at a time, which may stop at any step and is started anew from the same disk. The
 * application does what any would: it shows the timeline from where it was, tries again what may be tried again, answers the requests of
 * strangers, and restarts a client that gave up for a reason that passes. A further device of an account shows codes until the holder
 * links it.
 */
import {
  connect,
  isTacitError,
  type BlobTransfer,
  type Client,
  type Clock,
  type Conversation,
  type OutgoingMessage,
  type Store,
  type Transport,
} from "@tacit/client";
import type { LiveConversation } from "../../../client/src/conversation/liveConversation.ts";
import { epochOf, identities } from "../../../client/src/session/group/group.ts";
import { Disk, openDisk } from "./disk.ts";
import { noteUnreachable } from "./unreachable.ts";
import type { World } from "./world.ts";

/** The client's failures that this world brings about. Any other is a finding. */
const expectedFailures: ReadonlySet<string> = new Set([
  "store_failed",
  "connection_lost",
  "rate_limited",
  "token_failed",
  // Each of its attempts met a fault.
  "history_lost",
]);
/** After these an application starts the client again. */
const passing: ReadonlySet<string> = new Set([
  "superseded",
  "store_failed",
  "connection_lost",
  "token_failed",
  "rate_limited",
]);

/** Where the code was shown too long ago, or the holder's client stopped meanwhile. */
const linkingMayFail: ReadonlySet<string> = new Set(["link_expired", "closed", "connection_lost", "store_failed"]);

/** One run of a client. Once it is dead, nothing that it asked for answers. */
export class Life {
  isDead = false;
  client: Client | undefined;
  readonly conversations = new Map<string, Conversation>();
  /** Messages of which this life will tell what became of them. */
  readonly waiting = new Set<string>();
  /** Calls of this life that have not settled. */
  readonly asked = new Set<{ readonly what: string }>();
  readonly #crashes: () => boolean;
  readonly #died: () => void;

  constructor(crashes: () => boolean, died: () => void) {
    this.#crashes = crashes;
    this.#died = died;
  }

  /** A step: false where the client does not get past it. */
  survives(): boolean {
    if (!this.isDead && this.#crashes()) this.die();
    return !this.isDead;
  }
  die(): void {
    if (this.isDead) return;
    this.isDead = true;
    this.#died();
  }
}

const never = <T>(): Promise<T> => new Promise<T>(() => {});

export class Device {
  readonly account: string;
  readonly name: string;
  /** Milliseconds that its clock is ahead. */
  skew: number;
  life: Life | undefined;
  /** Whether the user wants the application to run. */
  isOn = false;
  /** Whether it may use the network. */
  isOnline = true;
  /** As the relay knows it; undefined before it was registered. */
  id: string | undefined;
  /** By its holder. */
  isRevoked = false;
  /** Somebody else has its keys as well, and posts what is no good: see actions.ts. */
  isMalicious = false;
  /** Of its account: it links it. Undefined: it holds the account itself. */
  readonly holder: Device | undefined;
  readonly #world: World;
  readonly #disk = new Disk();
  /** Requests that this device's user has decided about. */
  readonly #decided = new Set<string>();
  #diskFree = 0;
  #starts = 0;

  constructor(world: World, name: string, skew: number, holder?: Device) {
    this.#world = world;
    this.account = holder?.account ?? name;
    this.name = name;
    this.skew = skew;
    this.holder = holder;
  }

  get client(): Client | undefined {
    return this.life?.isDead === false ? this.life.client : undefined;
  }
  conversation(id: string): Conversation | undefined {
    return this.life?.isDead === false ? this.life.conversations.get(id) : undefined;
  }

  /** The conversation that began in the log `root`. */
  /** More than one where it came into a successor before it came into the log, or was out when others went on. */
  conversationsIn(root: string): readonly Conversation[] {
    const { memberships } = this.#world.oracle;
    return (this.client?.conversations() ?? []).filter(({ id }) => memberships.rootOf(id) === root);
  }

  isOpenIn(log: string): boolean {
    const all = this.conversationsIn(this.#world.oracle.memberships.rootOf(log));
    return all.some((conversation) => conversation.state.current === "open" && this.logOf(conversation) === log);
  }

  /** Which log it is in: nobody outside of tests can ask for that. */
  logOf(conversation: Conversation): string {
    return (conversation as LiveConversation).snapshot.log;
  }

  #isServed(conversation: Conversation): boolean {
    const roster = this.#world.tables.conversations.get(this.logOf(conversation))?.roster;
    return roster?.includes(this.account) === true;
  }

  switchOn(): void {
    if (this.isRevoked) return;
    this.isOn = true;
    if (this.id === undefined && !this.isOnline) return;
    if (this.life === undefined || this.life.isDead) void this.#start();
  }

  /** Ends the client, as an orderly application does. */
  async switchOff(): Promise<void> {
    this.isOn = false;
    const { life } = this;
    await life?.client?.close();
    if (life !== undefined) life.isDead = true;
  }

  crash(): void {
    this.life?.die();
  }

  goOffline(): void {
    this.isOnline = false;
    if (this.client !== undefined) this.client.goOffline();
    // One that is registering, or being linked, does not go on without the network.
    else this.crash();
  }
  /** Unless nobody is awake. */
  goOnline(): void {
    if (this.#world.isAsleep) return;
    this.isOnline = true;
    noteUnreachable(this.#world, this);
    if (this.client !== undefined) this.client.goOnline();
    else if (this.isOn) this.switchOn();
  }

  async #start(): Promise<void> {
    const { faults, network, dice, trace } = this.#world;
    const number = ++this.#starts;
    const life = new Life(
      () => faults.strikes("clientCrashed"),
      () => {
        trace.note(this.name, "crashes");
        network.abandon(this.name);
        this.#startLater(200 + dice.next() ** 4 * 300_000);
      },
    );
    this.life = life;
    trace.note(this.name, `starts, ${number}`);
    try {
      const client = await connect({
        url: this.#world.url,
        token: () => this.#world.token(this.account),
        store: this.#store(life),
        suite: this.#world.suite,
        provider: this.#world.provider,
        transport: this.#transport(life),
        blobs: this.#blobs(life),
        clock: this.#clock(life),
        online: this.isOnline,
        ...(this.holder === undefined ? {} : { link: { onCode: ({ text }) => this.#showCode(life, text) } }),
      });
      if (life.isDead) return;
      life.client = client;
      this.#use(life, client);
    } catch (error) {
      if (life.isDead) return;
      life.isDead = true;
      this.#stopped(error);
    }
  }

  /** Somebody carries it to the holder, where that is at hand. */
  #showCode(life: Life, code: string): void {
    const { scheduler, dice, oracle, trace } = this.#world;
    scheduler.after(2_000 + dice.next() * 30_000, () => {
      const client = this.holder?.client;
      if (life.isDead || client === undefined) return;
      trace.note(this.name, `is being linked by ${this.holder?.name}`);
      client.linkDevice(code).catch((error: unknown) => {
        const code = isTacitError(error) ? error.code : String(error);
        oracle.failure(`linking: ${code}`);
        if (!linkingMayFail.has(code))
          oracle.find("other", this.name, "", `linking failed: ${code}: ${causeOf(error)}`);
      });
    });
  }

  #startLater(delay: number): void {
    this.#world.scheduler.after(delay, () => {
      if (this.isOn && this.life?.isDead !== false) this.switchOn();
    });
  }

  #use(life: Life, client: Client): void {
    const { oracle, trace } = this.#world;
    this.id = client.device;
    client.on("conversation", (conversation) => this.#follow(life, conversation));
    client.on("failure", (error) => {
      oracle.failure(error.code);
      trace.note(this.name, `failure ${error.code}: ${error.message}`);
      const why = `failure ${error.code}: ${error.message}: ${causeOf(error)}`;
      if (error.code === "cannot_follow") oracle.refusals.push({ device: this.name, why });
      else if (!expectedFailures.has(error.code)) oracle.find("other", this.name, "", why);
    });
    client.on("identityChanged", ({ account }) =>
      oracle.find("other", this.name, "", `${account} is said to have another key`),
    );
    client.connection.subscribe((state) => {
      trace.note(this.name, state.status);
      if (state.status !== "closed" || state.reason === undefined || life.isDead) return;
      const { reason } = state;
      queueMicrotask(() => {
        void client.close().then(() => {
          if (life.isDead) return;
          life.isDead = true;
          this.#stopped(reason);
        });
      });
    });
    for (const conversation of client.conversations()) this.#follow(life, conversation);
    if (this.isOnline) client.goOnline();
    else client.goOffline();
  }

  #stopped(error: unknown): void {
    const { oracle, dice, trace } = this.#world;
    const code = isTacitError(error) ? error.code : "unknown";
    trace.note(this.name, `stopped: ${code}`);
    oracle.failure(`stopped: ${code}`);
    if (this.isRevoked && code === "device_revoked") return;
    if (!passing.has(code)) oracle.find("other", this.name, "", `the client stopped: ${code}: ${causeOf(error)}`);
    this.#startLater(500 + dice.next() * 30_000);
  }

  /** Shows its timeline, from where this device's user was, and waits for what is on its way. */
  #follow(life: Life, conversation: Conversation): void {
    if (life.conversations.get(conversation.id) === conversation) return;
    life.conversations.set(conversation.id, conversation);
    conversation.info.subscribe(() => this.#witness(life, conversation as LiveConversation));
    conversation.state.subscribe((state) => {
      if (state === "requested") this.#decide(life, conversation);
    });
    for (const outgoing of conversation.outgoing()) this.track(life, outgoing);
    void this.#show(life, conversation);
  }

  /** Tells the oracle which epoch this device is in, and with whom. */
  #witness(life: Life, { snapshot }: LiveConversation): void {
    const { group, log, phase } = snapshot;
    if (life.isDead || group === undefined || phase !== "open" || this.id === undefined) return;
    const devices = identities(group).map(({ device }) => device);
    this.#world.oracle.memberships.seen(this.name, log, epochOf(group), devices);
  }

  /** What waits to be done in the conversations that it is in, and that the relay serves it in. */
  work(): readonly string[] {
    return [...(this.life?.conversations.values() ?? [])].flatMap((conversation) => {
      const { phase, intents, pending, leaving, outbox, requestBy, log } = (conversation as LiveConversation).snapshot;
      if (phase !== "open" || requestBy !== undefined || !this.#isServed(conversation)) return [];
      const waits = [
        ...intents.filter((intent) => intent.kind !== "rotate" || intent.unlessBusy !== true).map(({ kind }) => kind),
        ...(pending === undefined ? [] : [`a commit (${pending.kind})`]),
        ...(leaving === undefined ? [] : ["a request to leave"]),
        ...(outbox.length === 0 ? [] : ["messages"]),
      ];
      return waits.map((what) => `${what} in ${log}`);
    });
  }

  /** In the end everybody decides. */
  acceptAll(): void {
    for (const conversation of this.client?.conversations() ?? []) {
      if (conversation.state.current === "requested") conversation.accept().catch(() => {});
    }
  }

  /** A stranger's invitation: most are welcome, to one or the other of the account's devices. */
  #decide(life: Life, conversation: Conversation): void {
    const { scheduler, dice, oracle, trace } = this.#world;
    const { id } = conversation;
    if (this.#decided.has(id) || dice.chance(0.3)) return;
    this.#decided.add(id);
    const accepts = conversation.kind === "direct" || dice.chance(0.85);
    scheduler.after(dice.next() * 20_000, () => {
      if (life.isDead || conversation.state.current !== "requested") return void this.#decided.delete(id);
      trace.note(this.name, `${accepts ? "accepts" : "declines"} ${id}`);
      if (!accepts && this.id !== undefined) oracle.memberships.because(this.id, id, "declined", scheduler.now);
      const answer = accepts ? conversation.accept() : conversation.decline();
      answer.catch((error: unknown) => {
        const code = isTacitError(error) ? error.code : String(error);
        oracle.failure(`refused: ${code}`);
        this.#decided.delete(id);
      });
    });
  }

  async #show(life: Life, conversation: Conversation): Promise<void> {
    const { oracle, scheduler, trace } = this.#world;
    const { id } = conversation;
    const after = oracle.shownTo(this.name, id).at(-1)?.item.position ?? 0;
    try {
      for await (const item of conversation.timeline({ after })) {
        if (life.isDead) return;
        trace.note(this.name, `shows ${item.seq} ${item.kind} of ${id}`, () => JSON.stringify({ id, ...item }));
        oracle.shows(this.name, id, item, scheduler.now);
        if (item.kind === "noLongerMember" && this.#isServed(conversation)) {
          oracle.find("other", this.name, id, "it is said to be no member any more, and the relay serves it");
        }
      }
    } catch (error) {
      // The store was closed under the iteration.
      if (!isTacitError(error, "closed")) throw error;
    }
  }

  /** A message that waits: from now on it is promised, and its end is awaited. */
  track(life: Life, outgoing: OutgoingMessage): void {
    const { oracle } = this.#world;
    const said = oracle.named(outgoing.text);
    if (said === undefined) return oracle.find("other", this.name, "", "something waits that nobody said");
    said.promised = true;
    life.waiting.add(said.name);
    outgoing.sent.then(
      (message) => {
        life.waiting.delete(said.name);
        oracle.arrived(said, message);
      },
      (error: unknown) => {
        life.waiting.delete(said.name);
        if (!isTacitError(error, "closed")) said.failed = isTacitError(error) ? error.code : "unknown";
      },
    );
  }

  #store(life: Life): Store {
    const { scheduler, dice, faults, plant } = this.#world;
    return openDisk(this.#disk, {
      around: async (_what, effect) => {
        if (!life.survives()) return never();
        const { now } = scheduler;
        const takes = faults.strikes("storeSlow") ? dice.next() * 500 : 0.05 + dice.next();
        // One after another, in the order of the calls.
        this.#diskFree = Math.max(now + takes, this.#diskFree + 0.001);
        await scheduler.sleep(this.#diskFree - now);
        if (!life.survives()) return never();
        const result = effect();
        return life.survives() ? result : never();
      },
      fails: () => faults.strikes("storeFailed"),
      lies: plant === "releasesBeforeItPersists",
    });
  }

  #clock(life: Life): Clock {
    const { scheduler } = this.#world;
    return {
      now: () => Math.floor(scheduler.now + this.skew),
      after: (delay, run) =>
        scheduler.after(Math.ceil(Math.max(0, delay)), () => {
          if (life.survives()) run();
        }),
    };
  }

  #transport(life: Life): Transport {
    return {
      open: (_url, protocols, events) => {
        const alive = (run: () => void): void => {
          if (life.survives()) run();
        };
        if (!life.survives()) return { send: () => {}, close: () => {} };
        const socket = this.#world.network.open(this.name, protocols, {
          opened: () => alive(() => events.opened()),
          message: (text) => alive(() => events.message(text)),
          closed: (code) => alive(() => events.closed(code)),
        });
        return { send: (text) => alive(() => socket.send(text)), close: () => socket.close() };
      },
    };
  }

  #blobs(life: Life): BlobTransfer {
    const { scheduler, dice, faults, blobs } = this.#world;
    const around = async <T>(effect: () => T): Promise<T> => {
      if (!life.survives()) return never();
      await scheduler.sleep(20 + dice.next() * 200);
      if (faults.strikes("transferFailed")) throw new Error("the transfer broke off");
      const result = effect();
      return life.survives() ? result : never();
    };
    return {
      put: (url, _headers, body) => around(() => blobs.put(url, body)),
      get: (url) => around(() => blobs.get(url)),
    };
  }
}

function causeOf(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return cause instanceof Error ? (cause.stack ?? cause.message).split("\n").slice(0, 4).join(" | ") : String(cause);
}
