/**
 * What one message to two other devices costs: three accounts of one device each, connected, in one conversation on the local
 * cloud; messages of 352 bytes, which is an MLS PrivateMessage of 200 bytes of plaintext. The meter counts what AWS bills.
 */
import { price, usageBetween } from "@tacit/local";
import { encodeBase64Url } from "@tacit/protocol";
import { randomBytes } from "node:crypto";
import { startLocalTacit } from "./localTacit.ts";
import { newIdentity, randomId, signUp, welcomeFrom } from "./rawDevice.ts";
import type { BenchOptions, Report } from "./report.ts";

const messageBytes = 352;
const aim = { writeUnits: 1.1, dollarsPerMillion: 6 };

export async function append({ quick }: BenchOptions): Promise<Report> {
  const messages = quick ? 64 : 640;
  const cloud = await startLocalTacit({
    // One device sends faster here than a person may.
    environment: { TACIT_MESSAGES_PER_MINUTE: "100000" },
  });
  try {
    const people = await Promise.all(
      ["alice", "bob", "carol"].map(async (account) => {
        const identity = newIdentity(account);
        return { identity, device: await signUp({ url: cloud.url, token: await cloud.token(account), identity }) };
      }),
    );
    const [sender, ...readers] = people.map(({ device }) => device);
    const conversation = `g-${randomId()}`;
    const payload = () => ({ inline: encodeBase64Url(randomBytes(messageBytes)) });
    const welcomes = await Promise.all(people.slice(1).map((guest) => welcomeFrom(sender!, guest)));
    const created = await sender!.request("createConversation", {
      conversation,
      entry: randomId(),
      payload: payload(),
      welcomes,
      blobs: [],
      roster: ["alice", "bob", "carol"],
      generation: 0,
    });
    if (created.error) throw new Error(`createConversation: ${created.error.code}`);

    const before = cloud.meter.snapshot();
    let last = 0;
    for (let i = 0; i < messages; i++) {
      const answer = await sender!.request("append", {
        conversation,
        turn: 1,
        entries: [{ id: randomId(), payload: payload() }],
      });
      if (answer.error) throw new Error(`append: ${answer.error.code}`);
      last = answer.ok.accepted[0]!.seq;
    }
    await Promise.all(readers.map((reader) => reader.push((push) => push.push === "entries" && push.seq === last)));
    const used = usageBetween(before, cloud.meter.snapshot());
    const each = (units: number): number => units / messages;
    const { writeUnits, readUnits, invocations, socketMessages, gigabyteSeconds, connectionMinutes } = used.usage;
    const counted = price({
      ...used.usage,
      connectionMinutes: 0,
      s3Gets: 0,
      s3Puts: 0,
      kmsAsymmetric: 0,
      kmsSymmetric: 0,
    });
    const dollars = (amount: number): number => (amount / messages) * 1e6;
    const dollarsPerMillion = dollars(counted.total);
    return {
      title: `One message of ${messageBytes} bytes to two other devices (mean of ${messages})`,
      columns: ["billed", "units a message", "dollars per million"],
      rows: [
        ["DynamoDB write units", each(writeUnits), dollars(counted.lines.writeUnits)],
        ["DynamoDB read units", each(readUnits), dollars(counted.lines.readUnits)],
        ["Lambda invocations", each(invocations), dollars(counted.lines.invocations)],
        ["Lambda GB-seconds", each(gigabyteSeconds), dollars(counted.lines.gigabyteSeconds)],
        ["WebSocket messages", each(socketMessages), dollars(counted.lines.socketMessages)],
        ["sum", "", dollarsPerMillion],
      ],
      notes: [
        `Aims: ${aim.writeUnits} write units (${each(writeUnits) <= aim.writeUnits ? "reached" : "MISSED"}), ` +
          `$${aim.dollarsPerMillion.toFixed(2)} per million (${dollarsPerMillion <= aim.dollarsPerMillion ? "reached" : "MISSED"}).`,
        "Not counted: logs, egress, and connection minutes " +
          `(${(connectionMinutes / 3).toFixed(2)} a device here, $0.25 a million: $0.011 for a device connected a whole month).`,
        "Lambda time is this machine's; prices are those of us-east-1, see local/src/meter.ts.",
      ],
      json: {
        writeUnits: each(writeUnits),
        readUnits: each(readUnits),
        invocations: each(invocations),
        socketMessages: each(socketMessages),
        dollarsPerMillion,
      },
    };
  } finally {
    await cloud.close();
  }
}
