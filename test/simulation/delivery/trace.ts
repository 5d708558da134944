/** What happened, as a hash that two runs of one seed share, and, where somebody wants to know, as lines. */
import { createHash } from "node:crypto";

export interface TraceLine {
  readonly at: number;
  readonly who: string;
  readonly what: string;
}

export class Trace {
  readonly #hash = createHash("sha256");
  readonly #now: () => number;
  readonly #lines: TraceLine[] | undefined;
  #pending = "";

  constructor(now: () => number, keepsLines: boolean) {
    this.#now = now;
    this.#lines = keepsLines ? [] : undefined;
  }

  /** `what` may be a function where it takes time to say; `hashed` is what makes two runs the same. */
  note(who: string, what: string, detail?: () => string): void {
    this.#pending += `${this.#now()} ${who} ${what}\n`;
    if (this.#pending.length > 8_192) this.#flush();
    this.#lines?.push({ at: this.#now(), who, what: detail === undefined ? what : detail() });
  }

  get lines(): readonly TraceLine[] {
    return this.#lines ?? [];
  }
  get keepsLines(): boolean {
    return this.#lines !== undefined;
  }

  digest(): string {
    this.#flush();
    return this.#hash.copy().digest("hex").slice(0, 16);
  }

  #flush(): void {
    this.#hash.update(this.#pending);
    this.#pending = "";
  }
}
