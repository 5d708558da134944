/** A relay over memory, and devices that talk to it. */
import { sign } from "node:crypto";
import {
  accountRotationLabel,
  accountRotationText,
  encodeBase64Url,
  signedBytes,
  type AccountRotation,
  type Operation,
  type Request,
} from "@tacit/protocol";
import {
  accountRecordOf,
  certify,
  deviceIdOf,
  newIdentity,
  newKey,
  randomId,
  sha256,
  type Ed25519Key,
  type Identity,
  type Outcome,
} from "../../bench/rawDevice.ts";
import type { Caller } from "../../lambdas/core/caller.ts";
import { answerFrame, dispatch } from "../../lambdas/core/dispatch.ts";
import { placeEntry } from "../../lambdas/core/placeEntry.ts";
import type { Relay, Settings } from "../../lambdas/core/relay.ts";
import { memoryPorts, type Memory } from "../support/memoryPorts.ts";

export const start = 1_800_000_000_000;
export const minute = 60_000;
export const hour = 60 * minute;

export type Stage = {
  readonly memory: Memory;
  readonly relay: Relay;
  now: number;
};

export type Device = { readonly identity: Identity; readonly caller: Caller; readonly stage: Stage };

export function newStage(settings: Partial<Settings> = {}): Stage {
  const stage = { now: start } as { now: number; memory: Memory; relay: Relay };
  stage.memory = memoryPorts({ now: () => stage.now, seed: "stage", settings });
  stage.relay = { ...stage.memory.ports, blocked: new Map(), registered: new Set(), place: placeEntry };
  return stage;
}

/** A socket of `identity` that has said nothing yet. */
export function socketOf(stage: Stage, identity: Identity, more: Partial<Caller> = {}): Device {
  const caller: Caller = {
    account: identity.account,
    device: identity.device,
    scope: "full",
    reason: undefined,
    expires: stage.now + hour,
    connection: `socket-${randomId(6)}`,
    connectedAt: stage.now,
    requestId: "request-1",
    ...more,
  };
  return { identity, caller, stage };
}

export async function ask<O extends Operation>(
  { stage, caller }: Device,
  op: O,
  fields: Request<O>,
): Promise<Outcome<O> & { readonly closes?: string | undefined }> {
  const { frame, closes } = await dispatch(stage.relay, caller, JSON.stringify({ id: "1", op, ...fields }));
  return { ...(JSON.parse(frame) as Outcome<O>), closes };
}

/** The stage after a function was killed: what it did is there. `step` and `settled` as in `memoryPorts`. */
export function meddled(device: Device, meddle: (call: string, when: "before" | "after") => Promise<void>): Device {
  const { stage } = device;
  const wrap = <T extends object>(name: string, port: T): T =>
    Object.fromEntries(
      Object.entries(port).map(([method, call]) => [
        method,
        async (...args: unknown[]) => {
          await meddle(`${name}.${method}`, "before");
          const result = await (call as (...args: unknown[]) => Promise<unknown>)(...args);
          await meddle(`${name}.${method}`, "after");
          return result;
        },
      ]),
    ) as T;
  const plain = new Set(["clock", "random", "verify", "reports", "settings", "blocked", "registered", "place"]);
  const relay = Object.fromEntries(
    Object.entries(stage.relay).map(([name, port]) => [name, plain.has(name) ? port : wrap(name, port as object)]),
  ) as unknown as Relay;
  return { ...device, stage: { memory: stage.memory, relay, now: stage.now } };
}

/** As the function does: where the socket is closed, nothing is returned. */
export const answered = ({ stage, caller }: Device, text: string): Promise<string | undefined> =>
  answerFrame(stage.relay, caller, text);

/** Somebody with one certified device, whose socket has said hello. */
export async function person(stage: Stage, account: string): Promise<Device> {
  const identity = newIdentity(account);
  const first = socketOf(stage, identity, { scope: "register" });
  const put = await ask(first, "putAccount", { record: accountRecordOf(identity) });
  if (put.error) throw new Error(put.error.code);
  const device = socketOf(stage, identity);
  const hello = await ask(device, "hello", {});
  if (hello.error) throw new Error(hello.error.code);
  return device;
}

/** Gives `owner`'s account a further device, whose socket has said hello. */
export async function sibling(owner: Device): Promise<Device> {
  const { stage, identity } = owner;
  const deviceKey = newKey();
  const { accountRecord, certificates } = await currentRecord(stage, identity.account);
  const record = accountRecordOf(identity, {
    version: accountRecord.version + 1,
    previous: accountRecord.hash,
    devices: [...certificates, certify(identity, deviceKey)],
  });
  const put = await ask(owner, "putAccount", { record });
  if (put.error) throw new Error(put.error.code);
  const device = socketOf(stage, { ...identity, deviceKey, device: deviceIdOf(deviceKey) });
  await ask(device, "hello", {});
  return device;
}

/** What the Directory holds of `account`. */
export async function currentRecord(stage: Stage, account: string) {
  const stored = (await stage.relay.directory.get(account))!;
  const text = Buffer.from(stored.signed.payload, "base64url");
  const { devices } = JSON.parse(text.toString()) as { devices: ReturnType<typeof certify>[] };
  return { accountRecord: { version: stored.version, hash: sha256(text) }, certificates: devices, stored };
}

/** The account key of `identity` says that the account goes on under `to`. */
export function rotation({ account, accountKey }: Identity, to: Ed25519Key): AccountRotation {
  const text = Buffer.from(accountRotationText(account, accountKey.x, to.x));
  const signature = sign(null, signedBytes(accountRotationLabel, text), accountKey.privateKey);
  return { from: accountKey.x, signature: signature.toString("base64url") };
}

export const payload = (fill = 1, length = 32) => ({ inline: encodeBase64Url(new Uint8Array(length).fill(fill)) });

export const message = (fill = 1) => ({ id: randomId(), payload: payload(fill) });

/** A Welcome for `device`, under a claim of the account of `by`. */
export function welcomeFor(device: Device, by: Device, fill = 7) {
  const claim = device.stage.now.toString(16).padStart(12, "0") + randomId();
  const reservation = {
    device: device.caller.device,
    id: claim,
    by: by.caller.account,
    keyPackage: randomId(32),
    ttl: 0,
  };
  const { inbox } = device.stage.memory.tables;
  if (!inbox.has(device.caller.device)) inbox.set(device.caller.device, new Map());
  inbox.get(device.caller.device)!.set(claim, { reservation, welcome: undefined, ttl: 0 });
  return { device: device.caller.device, claim, payload: payload(fill) };
}

/** As `by` sends it. */
export function creation(people: readonly Device[], by = people[0]) {
  return {
    conversation: `g-${randomId()}`,
    entry: randomId(),
    payload: payload(),
    welcomes: people.flatMap((device) => (device === by || by === undefined ? [] : [welcomeFor(device, by)])),
    blobs: [],
    roster: people.map(({ identity }) => identity.account),
    generation: 0,
  };
}

export async function group(people: readonly Device[]): Promise<string> {
  const request = creation(people);
  const created = await ask(people[0]!, "createConversation", request);
  if (created.error) throw new Error(created.error.code);
  return request.conversation;
}

export function commitOf(conversation: string, more: Partial<Request<"commit">> = {}): Request<"commit"> {
  const base = { conversation, turn: 1, after: 1_000, entry: randomId(), payload: payload(), welcomes: [], blobs: [] };
  return { ...base, add: [], remove: [], ...more };
}

export function keyPackage(fill: number, length = 300) {
  const data = new Uint8Array(length).fill(fill);
  return { hash: sha256(data), data: encodeBase64Url(data), notAfter: start / 1_000 + 90 * 86_400 };
}

/** What was posted to `device`, of this kind. */
export function pushes(device: Device, kind: string) {
  return device.stage.memory.posted
    .filter(({ connection, frame }) => connection === device.caller.connection && frame["push"] === kind)
    .map(({ frame }) => frame);
}
