/** @matrix-org/matrix-sdk-crypto-wasm: a Megolm room with two devices, the homeserver played by this file. */
import {
  DecryptionSettings,
  DeviceId,
  DeviceLists,
  EncryptionSettings,
  KeysClaimRequest,
  OlmMachine,
  RequestType,
  RoomId,
  TrustRequirement,
  UserId,
} from "@matrix-org/matrix-sdk-crypto-wasm";
import { timed, timedRepeatedly, type Measure } from "./measure.ts";
import { payload } from "./ours.ts";
import type { PeerMeasure } from "./row.ts";

type Json = Record<string, unknown>;

interface Uploaded {
  deviceKeys: Json | undefined;
  readonly oneTimeKeys: Map<string, unknown>;
}

export async function matrixMeasures(): Promise<PeerMeasure[]> {
  const users = { alice: "@alice:example.org", bob: "@bob:example.org" };
  const devices = { alice: "ALICE", bob: "BOB" };
  const server = new Map<string, Uploaded>();

  /** Answers what a machine wants of the homeserver. */
  const serve = async (machine: OlmMachine, user: string): Promise<void> => {
    const uploaded = server.get(user) ?? { deviceKeys: undefined, oneTimeKeys: new Map<string, unknown>() };
    server.set(user, uploaded);
    for (const request of await machine.outgoingRequests()) {
      if (request.type === RequestType.KeysUpload) {
        const body = JSON.parse(request.body) as { device_keys?: Json; one_time_keys?: Json };
        uploaded.deviceKeys = body.device_keys ?? uploaded.deviceKeys;
        for (const [id, key] of Object.entries(body.one_time_keys ?? {})) uploaded.oneTimeKeys.set(id, key);
        const answer = { one_time_key_counts: { signed_curve25519: uploaded.oneTimeKeys.size } };
        await machine.markRequestAsSent(request.id ?? "", request.type, JSON.stringify(answer));
      } else if (request.type === RequestType.KeysQuery) {
        const known = [...server].filter(([, { deviceKeys }]) => deviceKeys !== undefined);
        const answer = {
          device_keys: Object.fromEntries(
            known.map(([name, { deviceKeys }]) => [name, { [String(deviceKeys?.["device_id"])]: deviceKeys }]),
          ),
          failures: {},
        };
        await machine.markRequestAsSent(request.id ?? "", request.type, JSON.stringify(answer));
      }
    }
  };

  const alice = await OlmMachine.initialize(new UserId(users.alice), new DeviceId(devices.alice));
  const bob = await OlmMachine.initialize(new UserId(users.bob), new DeviceId(devices.bob));
  for (const machine of [alice, bob]) {
    await machine.updateTrackedUsers([new UserId(users.alice), new UserId(users.bob)]);
  }
  // Everyone uploads, then everyone asks.
  for (let i = 0; i < 2; i++) {
    await serve(alice, users.alice);
    await serve(bob, users.bob);
  }
  for (const machine of [alice, bob]) {
    const query = machine.queryKeysForUsers([new UserId(users.alice), new UserId(users.bob)]);
    const answer = {
      device_keys: Object.fromEntries(
        [...server].map(([name, { deviceKeys }]) => [name, { [String(deviceKeys?.["device_id"])]: deviceKeys }]),
      ),
      failures: {},
    };
    await machine.markRequestAsSent(query.id ?? "", query.type, JSON.stringify(answer));
  }

  const room = (): RoomId => new RoomId("!room:example.org");
  const claim = await alice.getMissingSessions([new UserId(users.bob)]);
  if (!(claim instanceof KeysClaimRequest)) throw new Error("Alice has nothing to claim");
  const [oneTimeKey] = [...(server.get(users.bob)?.oneTimeKeys ?? [])];
  if (oneTimeKey === undefined) throw new Error("Bob uploaded no one-time keys");
  const claimed = {
    one_time_keys: { [users.bob]: { [devices.bob]: Object.fromEntries([oneTimeKey]) } },
    failures: {},
  };
  await alice.markRequestAsSent(claim.id, claim.type, JSON.stringify(claimed));

  const settings = new EncryptionSettings();
  settings.rotationPeriodMessages = 1_000_000_000n;
  for (const request of await alice.shareRoomKey(room(), [new UserId(users.bob)], settings)) {
    const { messages } = JSON.parse(request.body) as { messages: Record<string, Record<string, unknown>> };
    const content = messages[users.bob]?.[devices.bob];
    await alice.markRequestAsSent(request.id, request.type, "{}");
    if (content === undefined) continue;
    await bob.receiveSyncChanges(
      JSON.stringify([{ sender: users.alice, type: request.event_type, content }]),
      new DeviceLists(),
      new Map<string, number>(),
    );
  }

  const body = JSON.stringify({ msgtype: "m.text", body: new TextDecoder().decode(payload) });
  const trust = new DecryptionSettings(TrustRequirement.Untrusted);
  const queue: string[] = [];
  let sent = 0;
  const encrypt = async (): Promise<void> => {
    queue.push(await alice.encryptRoomEvent(room(), "m.room.message", body));
  };
  const event = (content: string): string =>
    JSON.stringify({
      sender: users.alice,
      event_id: `$${sent++}:example.org`,
      origin_server_ts: sent,
      room_id: "!room:example.org",
      type: "m.room.encrypted",
      content: JSON.parse(content) as unknown,
    });
  await encrypt();
  const bytes = queue[0]?.length ?? 0;
  const of = (operation: string, run: Measure["run"]): PeerMeasure => ({
    library: "matrix-sdk-crypto-wasm 18.9.0",
    operation,
    size: 2,
    bytes,
    measure: { key: `matrix/${operation}`, run, most: 40 },
  });
  return [
    of("encrypt", (count) => timedRepeatedly(count, encrypt)),
    of("decrypt", async (count) => {
      while (queue.length < count) await encrypt();
      return timed(queue.splice(0, count).map(event), (each) => bob.decryptRoomEvent(each, room(), trust));
    }),
  ];
}
