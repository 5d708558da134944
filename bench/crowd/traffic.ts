/** What goes over the sockets of the local cloud, counted by operation. */
import type { LocalCloud } from "@tacit/local";

export interface Traffic {
  /** Requests by operation. */
  readonly requests: Readonly<Record<string, number>>;
  /** Answers that refused, by code. */
  readonly refusals: Readonly<Record<string, number>>;
  readonly pushes: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

const nothing: Traffic = { requests: {}, refusals: {}, pushes: 0, bytesIn: 0, bytesOut: 0 };

export interface TrafficCounter {
  snapshot(): Traffic;
  stop(): void;
}

export function countTraffic(cloud: Pick<LocalCloud, "onFrame">): TrafficCounter {
  const requests: Record<string, number> = {};
  const refusals: Record<string, number> = {};
  let [pushes, bytesIn, bytesOut] = [0, 0, 0];
  const stop = cloud.onFrame(({ kind, data }) => {
    if (kind === "in") {
      bytesIn += data.length;
      const operation = /"op":"(\w+)"/.exec(data)?.[1] ?? "unknown";
      requests[operation] = (requests[operation] ?? 0) + 1;
    }
    if (kind !== "out") return;
    bytesOut += data.length;
    if (data.startsWith('{"push"')) pushes++;
    else if (data.length < 1_000 && data.includes('"error"')) {
      const code = /"code":"(\w+)"/.exec(data)?.[1] ?? "unknown";
      refusals[code] = (refusals[code] ?? 0) + 1;
    }
  });
  return {
    snapshot: () => ({ requests: { ...requests }, refusals: { ...refusals }, pushes, bytesIn, bytesOut }),
    stop,
  };
}

export function trafficBetween(before: Traffic | undefined, after: Traffic): Traffic {
  const { requests, refusals, pushes, bytesIn, bytesOut } = before ?? nothing;
  return {
    requests: difference(requests, after.requests),
    refusals: difference(refusals, after.refusals),
    pushes: after.pushes - pushes,
    bytesIn: after.bytesIn - bytesIn,
    bytesOut: after.bytesOut - bytesOut,
  };
}

function difference(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  const all = Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)] as const);
  return Object.fromEntries(all.filter(([, count]) => count > 0));
}
