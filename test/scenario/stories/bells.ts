/** Stories about doorbells that are too many to ring before an answer. */
import type { Answer } from "@tacit/protocol";
import type { StoredTable } from "@tacit/local";
import { group, household, message, person, type Scene, type Story } from "../stage.ts";

/** Above 200 connections, where the queue takes over. */
const houses = 9;
const devicesEach = 23;

export const aFanOutThroughTheQueue: Story = async (cloud) => {
  const alice = await person(cloud, "alice");
  const homes = [];
  for (let i = 0; i < houses; i++) homes.push(await household(cloud, `house${i}`, devicesEach));
  const devices = homes.flatMap((home) => home.devices);
  const before = cloud.meter.snapshot().operations["sqs:SendMessageBatch"]?.requests ?? 0;

  // The commit rings everybody: those who were welcomed for their inbox, the others for the entry.
  const conversation = await group([alice, ...homes]);
  const welcomed = new Set(homes.map(({ device }) => device));
  await Promise.all(
    devices.map((device) =>
      device.push((push) => (welcomed.has(device) ? push.push === "inbox" : push.push === "entries" && push.seq === 1)),
    ),
  );
  expect(cloud.meter.snapshot().operations["sqs:SendMessageBatch"]?.requests).toBe(before + 1);

  const send = async (): Promise<Answer<"append">["accepted"][number]> => {
    const entries = [message("to everybody")];
    return (await alice.device.request("append", { conversation, turn: 1, entries })).ok!.accepted[0]!;
  };
  const isRung = (seq: number) =>
    Promise.all(devices.map((device) => device.push((push) => push.push === "entries" && push.seq === seq)));

  // Messages that follow each other within a second: the last of them rings, for all of them.
  let [last, overtaken] = [await send(), 0];
  for (let tries = 0; tries < 20 && overtaken === 0; tries++) {
    const next = await send();
    if (Math.floor(last.at / 1_000) === Math.floor(next.at / 1_000) && tries > 0) overtaken = last.seq;
    last = next;
  }
  expect(overtaken).toBeGreaterThan(0);
  await isRung(last.seq);
  await cloud.settled();
  const heard = devices.flatMap(({ pushes }) => pushes.flatMap((push) => (push.push === "entries" ? [push.seq] : [])));
  expect(heard).not.toContain(overtaken);

  // A socket that is gone without a word is forgotten by whoever rings it.
  const [lost, ...others] = devices;
  const silence = cloud.faults.inject({
    when: ({ operation }) => operation === "$disconnect",
    effect: { kind: "drop" },
  });
  const noticed = new Promise<void>((resolve) => {
    const stop = cloud.onFrame(({ kind }) => {
      if (kind !== "close") return;
      stop();
      resolve();
    });
  });
  lost!.socket.terminate();
  await noticed;
  expect(await registered(cloud, homes[0]!.identity.account)).toBe(devicesEach);
  // The bell of a second ago is not to be mistaken for a busy group.
  await cloud.advance(2_000);
  const final = await send();
  await Promise.all(others.map((device) => device.push((push) => push.push === "entries" && push.seq === final.seq)));
  await cloud.settled();
  expect(await registered(cloud, homes[0]!.identity.account)).toBe(devicesEach - 1);
  expect(silence.count).toBe(1);
  silence.remove();

  expect(cloud.queues().flatMap(({ messages }) => messages)).toEqual([]);
  await Promise.all(others.map((device) => device.close()));
};

/** How many devices of the account have a socket, as far as the relay knows. */
async function registered(cloud: Scene, account: string): Promise<number> {
  const isConnections = ({ logicalId }: StoredTable): boolean => logicalId.startsWith("Connections");
  const item = (await cloud.tables()).find(isConnections)!.items.find((one) => one["account"]?.["S"] === account);
  return Object.values(item ?? {}).filter((value) => "M" in value).length;
}
