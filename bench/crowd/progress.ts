/** What a long benchmark is doing, told on the standard error while it does it. */
import { trafficBetween, type TrafficCounter } from "./traffic.ts";

/** Milliseconds. */
const every = 30_000;

/** Until the answer is called. */
export function telling(name: string, counter: TrafficCounter): () => void {
  process.stderr.write(`${name} …\n`);
  const [before, start] = [counter.snapshot(), Date.now()];
  const ticker = setInterval(() => {
    const { requests, refusals, pushes } = trafficBetween(before, counter.snapshot());
    const seconds = Math.round((Date.now() - start) / 1_000);
    process.stderr.write(`  ${seconds} s: ${listed(requests)}; pushes ${pushes}; refused ${listed(refusals)}\n`);
  }, every);
  return () => clearInterval(ticker);
}

export function listed(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(", ");
}
