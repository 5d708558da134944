/**
 * What is known of the device, made into three words for the connection: `wake`, `rest`, `attend`. Hints hasten and spare: nothing
 * relies on them.
 */
import { Activity } from "./activity.ts";
import { Calm } from "./calm.ts";
import type { Clock, DeviceHint, DeviceHints } from "../ports.ts";
import { SleepWatch } from "./sleepWatch.ts";

export interface AttentionOptions {
  readonly clock: Clock;
  readonly uniform: () => number;
  readonly hints: DeviceHints | undefined;
  readonly restAfter: number | undefined;
  /** The connection is needed, if it is wanted at all. */
  readonly wake: () => void;
  /** It is not needed any more. False: something is under way, and `force` is not set. */
  readonly rest: (force: boolean) => boolean;
  /** Things may have changed: worth a look, or an attempt. */
  readonly attend: () => void;
  /** Whether a socket was heard a moment ago. */
  readonly isFresh: () => boolean;
}

export class Attention {
  readonly #options: AttentionOptions;
  readonly #activity: Activity;
  readonly #calm: Calm;
  readonly #sleep: SleepWatch;
  readonly #unwatch: () => void;
  #isRunning = false;
  #isSuspended = false;
  #isNetworkDown = false;

  constructor(options: AttentionOptions) {
    const { clock, uniform, hints, restAfter, rest, attend } = options;
    this.#options = options;
    this.#activity = new Activity({ clock, restAfter: restAfter ?? hints?.restAfter ?? Infinity, rest });
    this.#calm = new Calm(clock, uniform, attend);
    this.#sleep = new SleepWatch(clock, () => this.#calm.ask());
    this.#unwatch = hints?.watch((hint) => this.hint(hint)) ?? (() => {});
  }

  get isNetworkDown(): boolean {
    return this.#isNetworkDown;
  }

  /** Nobody waits, or nothing is to be expected. */
  get isPatient(): boolean {
    return this.#isNetworkDown || this.#activity.isBackground;
  }

  /** Between these two, hints are attended to, and a device that is looked at is watched for sleep. */
  run(): void {
    this.#isRunning = true;
    this.#isSuspended = false;
    if (!this.#activity.isBackground) this.#sleep.start();
  }

  halt(): void {
    this.#isRunning = false;
    this.#sleep.stop();
    this.#calm.stop();
  }

  close(): void {
    this.halt();
    this.#unwatch();
    this.#activity.stop();
  }

  /** Somebody is about to rely on the connection: did the device sleep? */
  relied(): void {
    this.#sleep.check();
  }

  /** The background may go on for a while from here. */
  needed(): void {
    this.#activity.needed();
    this.relied();
  }

  /** Soon, and not too often. */
  ask(): void {
    if (this.#isRunning) this.#calm.ask();
  }

  hint(hint: DeviceHint): void {
    switch (hint) {
      case "foreground":
        this.#activity.foreground();
        if (!this.#isRunning) return this.#options.wake();
        this.#sleep.start();
        if (!this.#options.isFresh()) this.ask();
        return;
      case "background":
        this.#sleep.stop();
        this.#activity.background();
        if (this.#isSuspended) this.#options.wake();
        return;
      case "suspending":
        this.#isSuspended = true;
        this.#activity.stop();
        this.#options.rest(true);
        return;
      case "networkDown":
      case "networkUp":
      case "networkChanged":
        this.#isNetworkDown = hint === "networkDown";
        return this.ask();
    }
  }
}
