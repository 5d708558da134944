/** A clock for very many timers: a binary heap, and one round of microtasks for each millisecond in which anything happens. */
import type { Clock } from "@tacit/client";

interface Timer {
  readonly at: number;
  readonly order: number;
  run: (() => void) | undefined;
}

export interface HeapClock extends Clock {
  /** Runs what falls due, in order. Work that is not a timer may be microtasks alone. */
  advance(milliseconds: number): Promise<void>;
}

export function heapClock(start = 1_800_000_000_000): HeapClock {
  const heap: Timer[] = [];
  let now = start;
  let count = 0;

  const isBefore = (a: Timer, b: Timer): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

  function push(timer: Timer): void {
    let index = heap.push(timer) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(timer, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = timer;
  }

  function pop(): Timer {
    const [first] = heap as [Timer];
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (child >= heap.length || !isBefore(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
    return first;
  }

  return {
    now: () => now,
    after(milliseconds, run) {
      const timer: Timer = { at: now + Math.max(0, Math.ceil(milliseconds)), order: count++, run };
      push(timer);
      return () => void (timer.run = undefined);
    },
    async advance(milliseconds) {
      const end = now + milliseconds;
      await new Promise((resolve) => setImmediate(resolve));
      while (heap.length > 0 && heap[0]!.at <= end) {
        now = heap[0]!.at;
        let ran = false;
        while (heap.length > 0 && heap[0]!.at === now) {
          const { run } = pop();
          run?.();
          ran ||= run !== undefined;
        }
        if (ran) await new Promise((resolve) => setImmediate(resolve));
      }
      now = end;
    },
  };
}
