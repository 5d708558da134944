/**
 * A group of a thousand devices from its creation on: real clients in a few processes, over the real sockets and the synthesised functions
 * of the local cloud, whose meter counts what AWS would bill for each phase. One more joins after one was removed, for a roster holds a
 * thousand accounts and no more.
 */
import { cipherSuites } from "@tacit/mls";
import { price, usageBetween, type MeterSnapshot, type Usage } from "@tacit/local";
import { gather, patienceOf, together } from "./crowd/crowd.ts";
import type { Times } from "./crowd/orders.ts";
import { listed, telling } from "./crowd/progress.ts";
import { countTraffic, trafficBetween, type Sizes, type Traffic } from "./crowd/traffic.ts";
import { apart, received } from "./crowd/verdict.ts";
import { within } from "./crowd/within.ts";
import { startLocalTacit } from "./localTacit.ts";
import { suiteName, type BenchOptions, type Report } from "./report.ts";

const longest = 60 * 60_000;
/** Milliseconds in which a device has what is in the log. */
const following = 10 * 60_000;
interface Phase {
  readonly name: string;
  /** Until whoever asked for it was told that it is done, and until the last device had it. */
  readonly doneMs: number;
  readonly allMs: number;
  readonly traffic: Traffic;
  readonly metered: MeterSnapshot;
  readonly sizes: Sizes;
}

export function thousand({ quick, devices = quick ? 60 : 1_000, suite }: BenchOptions): Promise<Report> {
  const chosen = suite ?? cipherSuites.MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519;
  return within(longest, () => run(devices, chosen));
}

async function run(devices: number, suite: number): Promise<Report> {
  const cloud = await startLocalTacit({
    environment: { TACIT_MESSAGES_PER_MINUTE: "1000000", TACIT_CLAIMS_PER_HOUR: "1000000" },
  });
  const profile = process.env["TACIT_BENCH_PROFILE"];
  const crowd = gather({
    url: cloud.url,
    suite,
    token: (account) => cloud.token(account, { expiresIn: 24 * 3_600 }),
    processes: devices > 100 ? 2 : 1,
    patience: patienceOf(devices),
    atOnce: 8,
    ...(profile === undefined ? {} : { execArgv: ["--cpu-prof", `--cpu-prof-dir=${profile}`] }),
  });
  const counter = countTraffic(cloud);
  const phases: Phase[] = [];
  const failures: string[] = [];
  const phase = async (name: string, act: () => Promise<unknown>, seen: () => Promise<Times>): Promise<void> => {
    const told = telling(name, counter);
    const [traffic, metered, start] = [counter.snapshot(), cloud.meter.snapshot(), Date.now()];
    const acted = act().then(() => Date.now());
    const [done, times] = await acted.then(async (at) => [at, await seen()] as const).finally(told);
    const last = Math.max(done, ...Object.values(times));
    await cloud.settled();
    phases.push({
      name,
      doneMs: done - start,
      allMs: last - start,
      traffic: trafficBetween(traffic, counter.snapshot()),
      metered: usageBetween(metered, cloud.meter.snapshot()),
      sizes: counter.sizes(),
    });
  };
  try {
    const accounts = Array.from({ length: devices }, (_, index) => `device-${String(index).padStart(4, "0")}`);
    const [lead = "", ...others] = accounts;
    const newcomer = "newcomer";
    const [gone = "", broken = ""] = [others.at(-1), others.at(-2)];
    let conversation = "";
    const members =
      (count: number, except: readonly string[] = []) =>
      async (): Promise<Times> =>
        together(await crowd.tellAll({ do: "awaitMembers", conversation, members: count, except }));

    await phase(
      `${devices} devices register`,
      async () => {
        await crowd.arrive([lead], true);
        await crowd.arrive(others);
      },
      async () => ({}),
    );
    await phase(
      `a group of ${devices} is created`,
      async () => (conversation = await crowd.tell(lead, { do: "create", account: lead, members: others })),
      members(devices),
    );
    const hear = (text: string, except: readonly string[]) => async (): Promise<Times> => {
      const times = together(await crowd.tellAll({ do: "awaitText", conversation, text, within: following, except }));
      const late = crowd.accounts.filter((account) => !except.includes(account) && times[account] === undefined);
      failures.push(...late.map((account) => `${account} does not show "${text}" after ${following / 60_000} minutes`));
      return times;
    };
    const send = (account: string, text: string) => () =>
      crowd.tell(account, { do: "send", account, conversation, text });
    await phase("a message", send(lead, "hello"), hear("hello", []));
    await phase(
      "one is removed",
      () => crowd.tell(lead, { do: "remove", account: lead, conversation, accounts: [gone] }),
      members(devices - 1, [gone]),
    );
    await phase(
      "one is put in anew",
      () => crowd.tell(broken, { do: "repair", account: broken, conversation }),
      async () => {
        const { epoch } = (await crowd.tell(lead, { do: "standings", conversation })).find(
          ({ account }) => account === lead,
        )!;
        // Whoever puts it in anew may have been faster than this question.
        const back = await crowd.tell(broken, { do: "awaitBack", account: broken, conversation });
        const newest = (await crowd.tell(broken, { do: "standings", conversation })).find(
          ({ account }) => account === broken,
        )!;
        const all = await crowd.tellAll({
          do: "awaitEpoch",
          conversation,
          epoch: max(epoch, newest.epoch),
          except: [gone],
        });
        return together([...all, back]);
      },
    );
    await crowd.arrive([newcomer], true);
    await phase(
      "one joins",
      () => crowd.tell(lead, { do: "invite", account: lead, conversation, accounts: [newcomer] }),
      members(devices, [gone]),
    );
    await phase("a message by the new one", send(newcomer, "here"), hear("here", [gone]));

    const standings = (await crowd.tellAll({ do: "standings", conversation })).flat();
    const inside = [...accounts.filter((account) => account !== gone), newcomer];
    const expected = new Map(accounts.map((account) => [account, account === gone ? ["hello"] : ["hello", "here"]]));
    expected.set(newcomer, ["here"]);
    const usages = await crowd.tellAll({ do: "usage" });
    failures.push(...usages.flatMap((usage) => usage.failures));
    return report({
      devices,
      suite,
      phases,
      elsewhere: apart(standings, inside),
      ...received(standings, expected),
      failures,
      usages,
    });
  } finally {
    crowd.close();
    await cloud.close();
  }
}

const max = (a: string, b: string): string => (BigInt(a || 0) > BigInt(b || 0) ? a : b);

const services = ["DynamoDB", "Lambda", "WebSocket", "S3", "SQS", "KMS"] as const;

/** Dollars by service. Connection minutes are left out: they depend on how fast this machine is. */
function dollars(usage: Usage): Readonly<Record<(typeof services)[number], number>> {
  const { lines } = price({ ...usage, connectionMinutes: 0 });
  return {
    DynamoDB: lines.writeUnits + lines.readUnits,
    Lambda: lines.invocations + lines.gigabyteSeconds,
    WebSocket: lines.socketMessages,
    S3: lines.s3Puts + lines.s3Gets,
    SQS: lines.sqsRequests,
    KMS: lines.kmsAsymmetric + lines.kmsSymmetric,
  };
}

interface Found {
  readonly devices: number;
  readonly suite: number;
  readonly phases: readonly Phase[];
  /** Devices that are not in the epoch of most. */
  readonly elsewhere: number;
  readonly lost: number;
  readonly doubled: number;
  readonly failures: readonly string[];
  readonly usages: readonly { readonly residentBytes: number; readonly processorMs: number }[];
}

function report({ devices, suite, phases, elsewhere, lost, doubled, failures, usages }: Found): Report {
  const kilobytes = (bytes: number): number => Math.round(bytes / 1_000);
  const rows = phases.map(({ name, doneMs, allMs, traffic, metered, sizes }) => {
    const costs = dollars(metered.usage);
    const requests = Object.values(traffic.requests).reduce((sum, count) => sum + count, 0);
    return [
      name,
      doneMs / 1_000,
      allMs / 1_000,
      requests,
      traffic.pushes,
      kilobytes(traffic.bytesIn + traffic.blobBytesIn),
      kilobytes(traffic.bytesOut + traffic.blobBytesOut),
      kilobytes(sizes.commit),
      kilobytes(sizes.welcome),
      kilobytes(sizes.tree),
      ...services.map((service) => `${(costs[service] * 100).toFixed(3)}`),
    ] as const;
  });
  const resident = usages.reduce((sum, { residentBytes }) => sum + residentBytes, 0);
  const processor = usages.reduce((sum, { processorMs }) => sum + processorMs, 0);
  return {
    title: `A group of ${devices} devices, suite ${suiteName(suite)}`,
    columns: [
      "phase",
      "done s",
      "all s",
      "requests",
      "pushes",
      "KB in",
      "KB out",
      "commit KB",
      "Welcome KB",
      "tree KB",
      ...services.map((service) => `${service} ¢`),
    ],
    rows,
    notes: [
      "done: whoever asked for it was told; all: the last device had it. KB with blobs. Sizes: of the last commit, Welcome and tree so far.",
      ...phases.map(
        ({ name, traffic: { requests, refusals } }) =>
          `${name}: ${listed(requests)}${Object.keys(refusals).length > 0 ? `; refused ${listed(refusals)}` : ""}`,
      ),
      `The devices wait ${patienceOf(devices)} times longer for answers, as many share these processors.`,
      `All in one epoch with one authenticator: ${elsewhere === 0 ? "yes" : `NO, ${elsewhere} are elsewhere`}. Messages that a device misses: ${lost}; shows twice: ${doubled}.`,
      `Processes of devices: ${(resident / 1e9).toFixed(1)} GB, ${Math.round(processor / 1_000)} s of processor time.`,
      ...failures.slice(0, 5).map((failure) => `FAILURE: ${failure}`),
    ],
    json: {
      devices,
      suite,
      phases: phases.map(({ metered, ...rest }) => ({
        ...rest,
        usage: metered.usage,
        dollars: dollars(metered.usage),
      })),
      apart: elsewhere,
      lost,
      doubled,
      failures: failures.length,
    },
  };
}
