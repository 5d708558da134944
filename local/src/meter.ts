/** Counts what AWS would bill, per operation, and prices it. Prices: us-east-1, November 2026, arm64. */
export interface Usage {
  readonly writeUnits: number;
  readonly readUnits: number;
  readonly invocations: number;
  readonly gigabyteSeconds: number;
  /** Units of 32 KB, both directions. */
  readonly socketMessages: number;
  readonly connectionMinutes: number;
  readonly s3Puts: number;
  readonly s3Gets: number;
  readonly kmsSymmetric: number;
  readonly kmsAsymmetric: number;
  /** Requests of up to 64 KB. Not those with which Lambda asks an empty queue: some 650,000 a month for each. */
  readonly sqsRequests: number;
}

export interface MeterSnapshot {
  readonly usage: Usage;
  /** By `service:Operation`. */
  readonly operations: Readonly<Record<string, OperationUsage>>;
}

export interface OperationUsage {
  readonly requests: number;
  /** What the service counts: capacity units, messages, gigabyte-seconds. Null where requests are what counts. */
  readonly units: number;
}

export interface Meter {
  add(operation: string, usage: Partial<Usage>): void;
  connectionOpened(id: string): void;
  connectionClosed(id: string): void;
  snapshot(): MeterSnapshot;
}

/** Dollars per million. */
const PRICES: Usage = {
  writeUnits: 0.625,
  readUnits: 0.125,
  invocations: 0.2,
  gigabyteSeconds: 13.3334,
  socketMessages: 1,
  connectionMinutes: 0.25,
  s3Puts: 5,
  s3Gets: 0.4,
  kmsSymmetric: 3,
  kmsAsymmetric: 15,
  sqsRequests: 0.4,
};

const NOTHING: Usage = {
  writeUnits: 0,
  readUnits: 0,
  invocations: 0,
  gigabyteSeconds: 0,
  socketMessages: 0,
  connectionMinutes: 0,
  s3Puts: 0,
  s3Gets: 0,
  kmsSymmetric: 0,
  kmsAsymmetric: 0,
  sqsRequests: 0,
};

const SOCKET_UNIT_BYTES = 32 * 1024;
const QUEUE_UNIT_BYTES = 64 * 1024;

export function createMeter(now: () => number): Meter {
  let usage = NOTHING;
  const operations: Record<string, OperationUsage> = {};
  const open = new Map<string, number>();
  const minutesSince = (start: number) => (now() - start) / 60_000;
  return {
    add(operation, added) {
      usage = combine(usage, { ...NOTHING, ...added }, (a, b) => a + b);
      const before = operations[operation] ?? { requests: 0, units: 0 };
      const { invocations = 0, ...units } = added;
      const counted = Object.values(units).reduce((sum, value) => sum + value, 0);
      operations[operation] = { requests: before.requests + 1, units: before.units + (counted || invocations) };
    },
    connectionOpened: (id) => void open.set(id, now()),
    connectionClosed(id) {
      const start = open.get(id);
      if (start === undefined) return;
      open.delete(id);
      usage = { ...usage, connectionMinutes: usage.connectionMinutes + minutesSince(start) };
    },
    snapshot() {
      const running = [...open.values()].reduce((sum, start) => sum + minutesSince(start), 0);
      return {
        usage: { ...usage, connectionMinutes: usage.connectionMinutes + running },
        operations: structuredClone(operations),
      };
    },
  };
}

/** What was used between two snapshots. */
export function usageBetween(before: MeterSnapshot, after: MeterSnapshot): MeterSnapshot {
  const operations = Object.entries(after.operations).flatMap(([name, { requests, units }]) => {
    const start = before.operations[name] ?? { requests: 0, units: 0 };
    return requests === start.requests
      ? []
      : [[name, { requests: requests - start.requests, units: units - start.units }] as const];
  });
  return { usage: combine(after.usage, before.usage, (a, b) => a - b), operations: Object.fromEntries(operations) };
}

/** Dollars for each kind of usage, and their sum. */
export function price(usage: Usage): { readonly lines: Usage; readonly total: number } {
  const lines = combine(usage, PRICES, (count, dollars) => (count * dollars) / 1e6);
  return { lines, total: Object.values(lines).reduce((sum, dollars) => sum + dollars, 0) };
}

/** How many messages API Gateway bills for one of this many bytes. */
export function socketUnits(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / SOCKET_UNIT_BYTES));
}

/** How many requests SQS bills for one that carries this many bytes. */
export function queueUnits(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / QUEUE_UNIT_BYTES));
}

function combine(left: Usage, right: Usage, with_: (a: number, b: number) => number): Usage {
  const entries = (Object.keys(NOTHING) as (keyof Usage)[]).map((key) => [key, with_(left[key], right[key])] as const);
  return Object.fromEntries(entries) as unknown as Usage;
}
