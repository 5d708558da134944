/**
 * Keeps the account's backup: on the device that holds the account key, once there is a recovery code. It backs up by itself after
 * changes, looks at what the relay has as whoever recovers would, and tells how that went.
 */
import { TacitError } from "../errors.ts";
import { subject, type Subject } from "../observable.ts";
import { LostAnswer, Refused } from "../connection/relaySocket.ts";
import { backoff, uniformOf } from "../session/backoff.ts";
import { newRecoveryCode } from "../session/identity/recoveryCode.ts";
import { translate } from "../translate.ts";
import { backupChanges, loadBackupState, type BackupState } from "./backupState.ts";
import { checkBackup } from "./checkBackup.ts";
import { makeBackup, type MakeBackupDeps } from "./makeBackup.ts";

export interface BackupHealth {
  readonly status:
    /** There is no recovery code, or another device holds the account key. */
    | "off"
    | "ok"
    /** What changed, or the next look at the relay's copy, has waited long: for a connection, for a relay that answers, or for the application to run. */
    | "late"
    /** It did not work, or the relay has lost what it was given: see `error`. It is tried again. */
    | "failing";
  /** When the newest backup was made, and when the relay's copy was last found whole: this device's clock. */
  readonly lastAt?: number;
  readonly lastCheckedAt?: number;
  readonly error?: TacitError;
}

export interface BackupTimes {
  /** Milliseconds between two backups, at least. Default: an hour. */
  readonly interval?: number;
  /** How long to wait for more after a change. Default: 30 seconds. */
  readonly quiet?: number;
  /** Between two looks at a backup that did not change. Default: a day. */
  readonly checkInterval?: number;
  /** How long changes, and looks that are due, may wait. Default: a day. */
  readonly lateAfter?: number;
}

export interface BackupKeeperDeps extends MakeBackupDeps {
  readonly connection: MakeBackupDeps["connection"] & { readonly isUp: boolean };
  readonly times?: BackupTimes;
}

const hour = 3_600_000;
const defaults = { interval: hour, quiet: 30_000, checkInterval: 24 * hour, lateAfter: 24 * hour } as const;
const failureBackoff = { base: 60_000, cap: 6 * hour };
/** Shares of an interval by which it is longer, at random, so that devices do not come together. */
const jitter = 0.25;

export class BackupKeeper {
  readonly health: Subject<BackupHealth> = subject<BackupHealth>({ status: "off" });
  readonly #deps: BackupKeeperDeps;
  readonly #times: Required<BackupTimes>;
  #state: BackupState;
  /** When the first change that is not backed up yet was made; by the start of the client, where it is not known. */
  #changedAt: number | undefined;
  #quietUntil = 0;
  #failures = 0;
  #retryAt = 0;
  #error: TacitError | undefined;
  #spread: number;
  #work: Promise<unknown> = Promise.resolve();
  #cancelTimer: (() => void) | undefined;
  readonly #ending = new AbortController();

  private constructor(deps: BackupKeeperDeps, state: BackupState) {
    this.#deps = { ...deps, signal: this.#ending.signal };
    this.#times = { ...defaults, ...deps.times };
    this.#state = state;
    this.#changedAt = deps.clock.now();
    this.#spread = uniformOf(deps.provider.random);
  }

  static async load(deps: BackupKeeperDeps): Promise<BackupKeeper> {
    const keeper = new BackupKeeper(deps, await loadBackupState(deps.store));
    if (keeper.#state.renewing) await keeper.#save(withoutTrace(keeper.#state));
    keeper.#plan();
    return keeper;
  }

  /** Something that belongs into a backup has changed. */
  touch(): void {
    const now = this.#deps.clock.now();
    this.#quietUntil = now + this.#times.quiet;
    if (this.#changedAt !== undefined) return;
    this.#changedAt = now;
    this.#plan();
  }

  /** There is a connection, and everything that was missed has been read. */
  connected(): void {
    this.#plan();
  }

  /**
   * A new recovery code, and a backup that it opens. Resolves when the relay has that backup: the code before ends then, and not sooner. It
   * is kept nowhere. `show` is given the code before the old one ends, and may take its time until it was written down; where it rejects,
   * nothing changes.
   * @throws TacitError `not_holder`, `connection_lost` and whatever keeps a backup from being made; the code before is valid still
   */
  async createRecoveryCode(show?: (code: string) => void | Promise<void>): Promise<string> {
    if (this.#deps.source.holder() === undefined) {
      throw new TacitError("not_holder", "only the device that holds the account key has a recovery code");
    }
    const { text, key } = newRecoveryCode(this.#deps.provider.random);
    await show?.(text);
    await this.#alone(() => this.#renew(key));
    // Not before the code is handed out: what nobody has seen must not be in force for long.
    void this.#alone(() => this.#look());
    return text;
  }

  /**
   * Backs up at once what has changed, and looks at the relay's copy.
   * @throws TacitError `invalid_argument` where there is no recovery code, `not_holder`; why it did not work
   */
  backupNow(): Promise<void> {
    return this.#alone(async () => {
      if (this.#state.key === undefined) throw new TacitError("invalid_argument", "there is no recovery code yet");
      try {
        await this.#backup();
        await this.#check();
      } catch (error) {
        this.#failed(error);
        throw translate(error);
      } finally {
        this.#plan();
      }
    });
  }

  /** Goes on with the backup that the relay has, which a recovery code opens. The next one is a whole one. */
  adopt(key: Uint8Array, version: number): Promise<void> {
    return this.#alone(async () => {
      await this.#save({ ...withoutTrace(this.#state), key, version });
      this.#plan();
    });
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    this.#ending.abort();
    this.#cancelTimer?.();
    await this.#work;
  }

  async #renew(key: Uint8Array): Promise<void> {
    const before = this.#state;
    // From here on the relay may have a backup that nobody's code opens: whoever dies now makes one under the old key first of all.
    await this.#save({ ...before, renewing: true });
    try {
      const made = await makeBackup(this.#deps, withoutTrace({ ...before, key }));
      if (made === undefined) throw new Error("a backup under another key is another one");
      await this.#saveMade(made);
    } catch (error) {
      await this.#save(withoutTrace(before));
      throw translate(error);
    } finally {
      this.#plan();
    }
  }

  async #look(): Promise<void> {
    if (this.#ending.signal.aborted) return;
    await this.#check().catch((error: unknown) => this.#failed(error));
    this.#plan();
  }

  get #isOn(): boolean {
    return this.#state.key !== undefined && this.#deps.source.holder() !== undefined;
  }

  /** What is due next, and when: this device's clock. */
  #due(): { readonly what: "backup" | "check"; readonly at: number } {
    const { lastAt = 0, lastCheckedAt = 0, lost } = this.#state;
    if (this.#changedAt === undefined && lost.length === 0) {
      return { what: "check", at: Math.max(this.#checkDueAfter(lastCheckedAt), this.#retryAt) };
    }
    const earliest = lost.length > 0 ? 0 : Math.max(lastAt + this.#times.interval * this.#stretch, this.#quietUntil);
    return { what: "backup", at: Math.max(earliest, this.#retryAt) };
  }

  get #stretch(): number {
    return 1 + jitter * this.#spread;
  }

  #checkDueAfter(last: number): number {
    return last + this.#times.checkInterval * this.#stretch;
  }

  #plan(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#tell();
    if (!this.#isOn || this.#ending.signal.aborted) return;
    const now = this.#deps.clock.now();
    const lateAt = this.#lateAt();
    // Without a connection only the time at which it is late matters; `connected` plans anew.
    const next = Math.min(this.#deps.connection.isUp ? this.#due().at : Infinity, lateAt > now ? lateAt : Infinity);
    if (next === Infinity) return;
    this.#cancelTimer = this.#deps.clock.after(Math.max(0, next - now), () => {
      this.#alone(() => this.#runDue()).catch((error: unknown) => this.#failed(error));
    });
  }

  async #runDue(): Promise<void> {
    if (this.#ending.signal.aborted) return;
    const due = this.#due();
    try {
      if (this.#isOn && this.#deps.connection.isUp && due.at <= this.#deps.clock.now()) {
        if (due.what === "backup") await this.#backup();
        await this.#check();
      }
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#plan();
    }
  }

  async #backup(): Promise<void> {
    const since = this.#deps.clock.now();
    const made = await makeBackup(this.#deps, this.#state);
    if (made === undefined) {
      if (this.#changedAt !== undefined && this.#changedAt <= since) this.#changedAt = undefined;
      await this.#save({ ...this.#state, lastAt: since });
      return;
    }
    await this.#saveMade(made, since);
  }

  async #saveMade(made: BackupState, since = this.#deps.clock.now()): Promise<void> {
    await this.#save({ ...made, renewing: false, lastAt: since });
    // What changed while it was made may be in it or not.
    if (this.#changedAt !== undefined && this.#changedAt <= since && this.#quietUntil <= since + this.#times.quiet) {
      this.#changedAt = undefined;
    }
  }

  async #check(): Promise<void> {
    const { source, clock } = this.#deps;
    const found = await checkBackup(this.#deps, source.account(), this.#state);
    if (found.kind === "good") {
      this.#failures = 0;
      this.#retryAt = 0;
      this.#error = undefined;
      this.#spread = uniformOf(this.#deps.provider.random);
      await this.#save({ ...this.#state, lastCheckedAt: clock.now() });
      return;
    }
    const { version } = this.#state;
    await this.#save(
      found.kind === "lost"
        ? { ...this.#state, lost: found.parts }
        : withoutTrace({ ...this.#state, version: found.version }),
    );
    const why = found.kind === "lost" ? "parts of the backup are gone" : "the relay has another backup than the last";
    throw new TacitError("backup_lost", `${why} (version ${version})`);
  }

  #failed(error: unknown): void {
    const { clock, provider } = this.#deps;
    // A connection that ended is no failure of the backup; in the end it is late.
    const isNetwork = error instanceof LostAnswer || (error instanceof Refused && error.refusal.retryable);
    if (!isNetwork) this.#error = translate(error);
    const wait = backoff(failureBackoff, this.#failures++, 0.5 + uniformOf(provider.random) / 2);
    this.#retryAt = clock.now() + wait;
    this.#plan();
  }

  /** A copy that nobody could look at for long is not known to be whole, also where nothing changed. */
  #lateAt(): number {
    const { lastAt, lastCheckedAt = lastAt } = this.#state;
    const changes = this.#changedAt ?? Infinity;
    const check = lastCheckedAt === undefined ? Infinity : this.#checkDueAfter(lastCheckedAt);
    return Math.min(changes, check) + this.#times.lateAfter;
  }

  #tell(): void {
    const { lastAt, lastCheckedAt } = this.#state;
    const isLate = this.#lateAt() <= this.#deps.clock.now();
    const error = this.#error;
    const status = !this.#isOn ? "off" : error !== undefined ? "failing" : isLate ? "late" : "ok";
    const health: BackupHealth = {
      status,
      ...(lastAt === undefined ? {} : { lastAt }),
      ...(lastCheckedAt === undefined ? {} : { lastCheckedAt }),
      ...(error === undefined || status !== "failing" ? {} : { error }),
    };
    if (!isSame(health, this.health.current)) this.health.set(health);
  }

  async #save(state: BackupState): Promise<void> {
    await this.#deps.store.commit(backupChanges(this.#state, state));
    this.#state = state;
  }

  #alone<T>(body: () => Promise<T>): Promise<T> {
    const done = this.#work.then(body);
    this.#work = done.catch(() => {});
    return done;
  }
}

/** Makes the next backup a whole one: every blob is packed and sealed anew. */
function withoutTrace(state: BackupState): BackupState {
  const lost = [...(state.index === undefined ? [] : [state.index]), ...state.saved.chunks].map(({ hash }) => hash);
  return { ...state, renewing: false, manifest: undefined, content: undefined, lost };
}

function isSame(a: BackupHealth, b: BackupHealth): boolean {
  return a.status === b.status && a.lastAt === b.lastAt && a.lastCheckedAt === b.lastCheckedAt && a.error === b.error;
}
