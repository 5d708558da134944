/**
 * All devices of one group commit at the same moment: real clients in processes of their own, over the real sockets and the synthesised
 * functions of the local cloud. The relay lets one in at a time; everybody else follows it and makes their commit anew.
 */
import { cipherSuites } from "@tacit/mls";
import { gather, patienceOf } from "./crowd/crowd.ts";
import { telling } from "./crowd/progress.ts";
import { countTraffic, trafficBetween } from "./crowd/traffic.ts";
import { apart, received } from "./crowd/verdict.ts";
import { within } from "./crowd/within.ts";
import { startLocalTacit } from "./localTacit.ts";
import { median, suiteName, type BenchOptions, type Report } from "./report.ts";

const longest = 15 * 60_000;
/** Milliseconds in which a device has what is in the log. */
const following = 2 * 60_000;

export function commitStorm({ quick, devices = quick ? 24 : 200, suite }: BenchOptions): Promise<Report> {
  const chosen = suite ?? cipherSuites.MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;
  return within(longest, () => storm(devices, chosen));
}

async function storm(devices: number, suite: number): Promise<Report> {
  const cloud = await startLocalTacit({
    environment: { TACIT_MESSAGES_PER_MINUTE: "1000000", TACIT_CLAIMS_PER_HOUR: "1000000" },
  });
  const crowd = gather({
    url: cloud.url,
    suite,
    token: (account) => cloud.token(account, { expiresIn: 24 * 3_600 }),
    processes: devices > 50 ? 2 : 1,
    patience: patienceOf(devices),
  });
  const counter = countTraffic(cloud);
  let told = telling(`${devices} devices register, and their group is created`, counter);
  try {
    const accounts = Array.from({ length: devices }, (_, index) => `device-${String(index).padStart(4, "0")}`);
    const [lead = "", ...others] = accounts;
    await crowd.arrive(accounts);
    const conversation = await crowd.tell(lead, { do: "create", account: lead, members: others });
    await crowd.tellAll({ do: "awaitMembers", conversation, members: devices, except: [] });
    const [before] = (await crowd.tellAll({ do: "standings", conversation })).flat();

    told();
    told = telling("all commit", counter);
    const quiet = counter.snapshot();
    const at = Date.now() + 500;
    const rotated = await crowd.tellAll({ do: "rotateAll", conversation, at, talk: true });
    const landed = rotated.flatMap((each) => Object.values(each.landed)).map((time) => time - at);
    const failed = rotated.flatMap((each) => each.failed);
    const epoch = String(BigInt(before!.epoch) + BigInt(landed.length));
    await crowd.tellAll({ do: "awaitEpoch", conversation, epoch, within: following, except: [] });
    const traffic = trafficBetween(quiet, counter.snapshot());

    // Whoever shows this has read all that was said before.
    const text = "the end";
    await crowd.tell(lead, { do: "send", account: lead, conversation, text });
    await crowd.tellAll({ do: "awaitText", conversation, text, within: following, except: [] });
    const standings = (await crowd.tellAll({ do: "standings", conversation })).flat();
    const said = rotated.flatMap((each) => each.told);
    const { lost, doubled } = received(standings, new Map(accounts.map((account) => [account, [...said, text]])));
    const unreadable = standings.reduce((sum, each) => sum + each.unreadable, 0);
    const seconds = Math.max(...landed) / 1_000;
    const attempts = traffic.requests["commit"] ?? 0;
    const elsewhere = apart(standings, accounts);
    const failures = (await crowd.tellAll({ do: "usage" })).flatMap((usage) => usage.failures).concat(failed);
    const row = (name: string, value: number | string): readonly [string, number | string] => [name, value];
    return {
      title: `${devices} devices of one group commit at once, suite ${suiteName(suite)}`,
      columns: ["what", "figure"],
      rows: [
        row("seconds until all have landed theirs", seconds),
        row("seconds until half have", median(landed) / 1_000),
        row("commits landed", landed.length),
        row("attempts (commit requests)", attempts),
        ...Object.entries(traffic.refusals).map(([code, count]) => row(`refused: ${code}`, count)),
        row("pages of the log that were read", traffic.requests["read"] ?? 0),
        row("messages said meanwhile", said.length),
        row("messages lost", lost),
        row("messages doubled", doubled),
        row("unreadable entries", unreadable),
        row("all in one epoch, with one authenticator", elsewhere === 0 ? "yes" : `NO, ${elsewhere} are elsewhere`),
      ],
      notes: [
        "Clients in processes of their own over real sockets; the cloud and all clients share this machine's processors.",
        ...failures.slice(0, 5).map((failure) => `FAILURE: ${failure}`),
      ],
      json: {
        devices,
        suite,
        seconds,
        landed: landed.length,
        attempts,
        ...traffic,
        said: said.length,
        lost,
        doubled,
        unreadable,
        apart: elsewhere,
        failures: failures.length,
      },
    };
  } finally {
    told();
    crowd.close();
    await cloud.close();
  }
}
