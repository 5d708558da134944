/** What happens to everybody at once. */
import { crowd, highestRate, type Crowd, type CrowdOptions } from "./crowd.ts";

export interface Returned {
  /** Seconds until half, 99 of 100, and all are back. Infinity: some never came. */
  readonly half: number;
  readonly most: number;
  readonly all: number;
  readonly attempts: number;
  /** In the busiest second. */
  readonly highest: number;
  /** Upgrades that the gateway refused. */
  readonly refused: number;
  readonly stranded: number;
}

export interface Renewed {
  readonly renewals: number;
  /** In the busiest second. */
  readonly highest: number;
  readonly refused: number;
  /** Moments at which somebody was without a socket. */
  readonly gaps: number;
  /** Sockets that the platform closed. */
  readonly expired: number;
}

const minute = 60_000;
const longest = 10 * minute;
const outage = 3 * minute;

/** Every socket ends in the same millisecond; the network is there. */
export async function afterCut(options: CrowdOptions): Promise<Returned> {
  const all = await crowd(options);
  all.watch();
  all.gateway.cut();
  return returned(all, options.clients);
}

/** Three minutes of nothing, then everything is there again, and nobody is told. */
export async function afterOutage(options: CrowdOptions): Promise<Returned> {
  const all = await crowd(options);
  all.gateway.reachable = false;
  all.gateway.cut();
  await all.clock.advance(outage);
  all.gateway.reachable = true;
  all.watch();
  return returned(all, options.clients);
}

/** The same, and every device learns of the network's return in the same millisecond. */
export async function afterHint(options: CrowdOptions): Promise<Returned> {
  const all = await crowd(options);
  all.gateway.reachable = false;
  all.gateway.cut();
  all.hint("networkDown");
  await all.clock.advance(outage);
  all.gateway.reachable = true;
  all.watch();
  all.hint("networkUp");
  return returned(all, options.clients);
}

async function returned(all: Crowd, clients: number): Promise<Returned> {
  const { clock, gateway, returns } = all;
  const start = clock.now();
  while (!all.isComplete() && clock.now() - start < longest) await clock.advance(1_000);
  const back = (share: number): number => ((returns[Math.ceil(clients * share) - 1] ?? Infinity) - start) / 1_000;
  const result = {
    half: back(0.5),
    most: back(0.99),
    all: back(1),
    attempts: gateway.attempts.length,
    highest: highestRate(gateway.attempts),
    refused: gateway.refused,
    stranded: clients - returns.length,
  };
  all.close();
  return result;
}

/** Everybody's lease began in the same second: `hours` of renewals. */
export async function renewals(options: CrowdOptions, hours: number): Promise<Renewed> {
  const all = await crowd(options);
  // Nobody looks: these hours are about leases.
  all.hint("background");
  all.watch();
  await all.clock.advance(hours * 60 * minute);
  const { gateway, returns } = all;
  const result = {
    renewals: gateway.opened,
    highest: highestRate(gateway.attempts),
    refused: gateway.refused,
    gaps: returns.length,
    expired: gateway.expired,
  };
  all.close();
  return result;
}
