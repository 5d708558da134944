/**
 * Timing in interleaved rounds: every measure has its turn in each round, so that noise falls on all of them. Operations are timed one
 * by one and the median of all counts, so that being interrupted by the machine's other work spoils samples, not results.
 */
import { median } from "../report.ts";

export interface Measure {
  /** Names the result. */
  readonly key: string;
  /** Performs the operation `count` times and answers with the milliseconds of each, preparations left out. */
  readonly run: (count: number) => Promise<readonly number[]>;
  /** At most so many operations in a round. Default 1,000. */
  readonly most?: number;
  /** At most so many operations in all, for what takes seconds. */
  readonly mostInAll?: number;
}

export interface InterleaveOptions {
  readonly rounds: number;
  /** What a measure may take per round, in milliseconds. */
  readonly slot: number;
}

/** Milliseconds of one operation, by key. */
export async function interleave(
  measures: readonly Measure[],
  { rounds, slot }: InterleaveOptions,
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<Measure, number>();
  for (const measure of measures) {
    if (measure.mostInAll !== undefined) continue;
    // Compiles first.
    const few = Math.min(8, measure.most ?? 8);
    await measure.run(few);
    const each = median(await measure.run(few));
    counts.set(measure, Math.max(1, Math.min(measure.most ?? 1000, Math.floor(slot / Math.max(each, 1e-3)))));
  }
  const results = new Map<Measure, number[]>(measures.map((measure) => [measure, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [measure, samples] of results) {
      if (samples.length >= (measure.mostInAll ?? Infinity)) continue;
      samples.push(...(await measure.run(counts.get(measure) ?? 1)));
    }
  }
  return new Map([...results].map(([{ key }, samples]) => [key, median(samples)]));
}

/** Times `operation` for each input. */
export async function timed<Input>(inputs: readonly Input[], operation: (input: Input) => unknown): Promise<number[]> {
  const samples: number[] = [];
  for (const input of inputs) {
    const start = performance.now();
    const result = operation(input);
    if (result instanceof Promise) await result;
    samples.push(performance.now() - start);
  }
  return samples;
}

/** Times an operation that is too short for the clock, `group` at a time. */
export async function timedRepeatedly(count: number, operation: () => unknown, group = 1): Promise<number[]> {
  const samples: number[] = [];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    for (let j = 0; j < group; j++) {
      const result = operation();
      if (result instanceof Promise) await result;
    }
    samples.push((performance.now() - start) / group);
  }
  return samples;
}
