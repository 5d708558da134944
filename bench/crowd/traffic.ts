/** What goes over the sockets of the local cloud, counted by operation, and the blobs that it is about. */
import type { LocalCloud } from "@tacit/local";

export interface Traffic {
  /** Requests by operation. */
  readonly requests: Readonly<Record<string, number>>;
  /** Answers that refused, by code. */
  readonly refusals: Readonly<Record<string, number>>;
  readonly pushes: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly blobBytesIn: number;
  readonly blobBytesOut: number;
}

/** Bytes of what commits consist of, the last one of each kind. */
export interface Sizes {
  readonly commit: number;
  readonly welcome: number;
  readonly tree: number;
}

export interface TrafficCounter {
  snapshot(): Traffic;
  sizes(): Sizes;
}

type Payload = { readonly inline: string } | { readonly blob: { readonly size: number } };
interface Landing {
  readonly payload?: Payload;
  readonly welcomes?: readonly { readonly payload: Payload }[];
  readonly blobs?: readonly { readonly size: number }[];
}

export function countTraffic(cloud: Pick<LocalCloud, "onFrame">): TrafficCounter {
  const requests: Record<string, number> = {};
  const refusals: Record<string, number> = {};
  const blobSizes = new Map<string, number>();
  let sizes: Sizes = { commit: 0, welcome: 0, tree: 0 };
  let [pushes, bytesIn, bytesOut, blobBytesIn, blobBytesOut] = [0, 0, 0, 0, 0];

  function countIn(data: string): void {
    bytesIn += data.length;
    const operation = /"op":"(\w+)"/.exec(data)?.[1] ?? "unknown";
    requests[operation] = (requests[operation] ?? 0) + 1;
    switch (operation) {
      case "uploadBlob": {
        const { hash, size } = JSON.parse(data) as { readonly hash: string; readonly size: number };
        blobSizes.set(hash, size);
        blobBytesIn += size;
        return;
      }
      case "downloadBlob":
        blobBytesOut += blobSizes.get((JSON.parse(data) as { readonly hash: string }).hash) ?? 0;
        return;
      case "commit":
      case "createConversation":
      case "stageWelcomes": {
        const { payload, welcomes = [], blobs = [] } = JSON.parse(data) as Landing;
        sizes = {
          commit: payload === undefined ? sizes.commit : bytesOf(payload),
          welcome: welcomes[0] === undefined ? sizes.welcome : bytesOf(welcomes[0].payload),
          tree: blobs[0]?.size ?? sizes.tree,
        };
      }
    }
  }

  function countOut(data: string): void {
    bytesOut += data.length;
    if (data.startsWith('{"push"')) pushes++;
    else if (data.length < 1_000 && data.includes('"error"')) {
      const code = /"code":"(\w+)"/.exec(data)?.[1] ?? "unknown";
      refusals[code] = (refusals[code] ?? 0) + 1;
    }
  }

  cloud.onFrame(({ kind, data }) => {
    if (kind === "in") countIn(data);
    else if (kind === "out") countOut(data);
  });
  return {
    snapshot: () => ({
      requests: { ...requests },
      refusals: { ...refusals },
      pushes,
      bytesIn,
      bytesOut,
      blobBytesIn,
      blobBytesOut,
    }),
    sizes: () => sizes,
  };
}

function bytesOf(payload: Payload): number {
  return "inline" in payload ? Math.floor((payload.inline.length * 3) / 4) : payload.blob.size;
}

export function trafficBetween(before: Traffic, after: Traffic): Traffic {
  return {
    requests: difference(before.requests, after.requests),
    refusals: difference(before.refusals, after.refusals),
    pushes: after.pushes - before.pushes,
    bytesIn: after.bytesIn - before.bytesIn,
    bytesOut: after.bytesOut - before.bytesOut,
    blobBytesIn: after.blobBytesIn - before.blobBytesIn,
    blobBytesOut: after.blobBytesOut - before.blobBytesOut,
  };
}

function difference(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  const all = Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)] as const);
  return Object.fromEntries(all.filter(([, count]) => count > 0));
}
