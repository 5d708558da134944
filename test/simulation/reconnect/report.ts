/** `npm run simulate -- reconnect`: everybody comes back, how fast, and how hard they knock. */
import type { Cell, Report } from "../../../bench/report.ts";
import { reconnectBackoff, type BackoffOptions } from "../../../client/src/session/backoff.ts";
import type { SimulateOptions } from "../options.ts";
import { afterCut, afterHint, afterOutage, renewals, type Returned } from "./simulate.ts";

/** What most clients do, for comparison: half a second, doubled each time, with full jitter. */
const usual: BackoffOptions = { base: 500, cap: 45_000 };
/** API Gateway, for an account and a region. */
const perSecond = 500;
const hours = 4;

export async function reconnectReport({ seed, clients }: SimulateOptions): Promise<Report> {
  const start = performance.now();
  const options = { seed, clients, perSecond };
  const cut = await afterCut(options);
  const outage = await afterOutage(options);
  const hint = await afterHint(options);
  const comparison = await afterCut({ ...options, backoff: usual });
  const renewed = await renewals(options, hours);

  const floor = Math.max(0, clients / perSecond - 1);
  const own = [cut, outage, hint];
  // Twice what the gateway needs, and one longest wait.
  const inTime = 2 * floor + reconnectBackoff.cap / 1_000;
  const bearable = Math.max(10, clients / 200);
  const row = (what: string, { half, most, all, attempts, highest, refused }: Returned): Cell[] => {
    return [what, seconds(half), seconds(most), seconds(all), attempts, highest, refused];
  };
  const took = (performance.now() - start) / 1_000;
  return {
    title: `${clients} clients before ${perSecond} new connections a second, seed ${seed}, in ${took.toFixed(0)} s`,
    columns: ["what happened", "half back", "99 %", "all", "attempts", "highest/s", "refused"],
    rows: [
      row("all sockets end in one millisecond", cut),
      row("the same, with 500 ms doubled", comparison),
      row("an outage of three minutes ends", outage),
      row("the same, and all devices are told at once", hint),
    ],
    notes: [
      `The gateway alone needs ${floor.toFixed(0)} s. Attempts count from the moment at which sockets can be opened.`,
      `Leases that began in one second: ${renewed.renewals} renewals in ${hours} h, at most ${renewed.highest} a second; ` +
        `refused ${renewed.refused}, without a socket ${renewed.gaps}, closed by the platform ${renewed.expired}.`,
    ],
    json: {
      seed,
      clients,
      cut,
      outage,
      hint,
      renewals: renewed,
      stranded: own.reduce((sum, { stranded }) => sum + stranded, 0),
      late: own.filter(({ all }) => all > inTime).length,
      crowdedRenewals: Math.max(0, renewed.highest - bearable) + renewed.refused + renewed.gaps + renewed.expired,
    },
  };
}

function seconds(value: number): string {
  return Number.isFinite(value) ? `${value.toFixed(1)} s` : "never";
}
