/**
 * Virtual time and the one order of events. What happens next is the earliest event; of two at the same time, the one that the seed
 * says. Between two events everything runs that waits for nothing but promises, so a run depends on its seed alone: as long as
 * nothing in it waits for the event loop, that is, for a thread, a real timer, or I/O.
 */
import type { Dice } from "../mls/dice.ts";

interface Event {
  readonly time: number;
  readonly tie: number;
  run: (() => void) | undefined;
}

export class Scheduler {
  readonly #dice: Dice;
  readonly #heap: Event[] = [];
  #now: number;
  #done = 0;

  constructor(dice: Dice, start: number) {
    this.#dice = dice;
    this.#now = start;
  }

  /** Milliseconds since 1970, with fractions. */
  get now(): number {
    return this.#now;
  }
  /** Events that have happened. */
  get events(): number {
    return this.#done;
  }

  /** Runs `run` in `delay` milliseconds. The answer cancels. */
  after(delay: number, run: () => void): () => void {
    const event: Event = { time: this.#now + Math.max(0, delay), tie: this.#dice.next(), run };
    this.#push(event);
    return () => {
      event.run = undefined;
    };
  }

  sleep(delay: number): Promise<void> {
    return new Promise((resolve) => void this.after(delay, resolve));
  }

  /** Lets `duration` milliseconds pass. */
  async pass(duration: number): Promise<void> {
    const end = this.#now + duration;
    await drained();
    for (let event = this.#heap[0]; event !== undefined && event.time <= end; event = this.#heap[0]) {
      this.#pop();
      const { run } = event;
      if (run === undefined) continue;
      this.#now = event.time;
      this.#done++;
      run();
      await drained();
    }
    this.#now = end;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Event;
      if (!isBefore(event, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Event;
    const { length } = heap;
    if (length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      if (child + 1 < length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child++;
      if (!isBefore(heap[child] as Event, last)) break;
      heap[at] = heap[child] as Event;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.time < b.time || (a.time === b.time && a.tie < b.tie);
}

/** When no promise has anything left to do: Node runs a tick only after all of them, and this costs no turn of the event loop. */
function drained(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}
