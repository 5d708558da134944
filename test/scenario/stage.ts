/** Where the stories happen: a local cloud, people who sign up, and what is common to all stories. */
import { encodeBase64Url, type Entry } from "@tacit/protocol";
import { createHash } from "node:crypto";
import type { LocalTacit } from "../../bench/localTacit.ts";
import {
  accountRecordOf,
  certify,
  deviceIdOf,
  newIdentity,
  newKey,
  openRaw,
  randomId,
  signUp,
  welcomeFrom,
  type Identity,
  type Outcome,
  type RawDevice,
} from "../../bench/rawDevice.ts";

export interface Person {
  readonly identity: Identity;
  readonly device: RawDevice;
}

/** A cloud, and what people are called on it, so that many stories can happen on one. */
export interface Scene extends LocalTacit {
  readonly account: (name: string) => string;
}
export const scene = (cloud: LocalTacit, suffix = ""): Scene => ({ ...cloud, account: (name) => name + suffix });

export type Story = (cloud: Scene) => Promise<void>;

/** Opens an account with one device, without a client: for stories about the relay alone. */
export async function person(cloud: Scene, name: string): Promise<Person> {
  const account = cloud.account(name);
  const identity = newIdentity(account);
  const device = await signUp({
    url: cloud.url,
    token: await cloud.token(account),
    identity,
    now: cloud.now(),
  });
  return { identity, device };
}

/** An account with `count` devices, all of them connected and registered; the first is `device`. */
export async function household(
  cloud: Scene,
  name: string,
  count: number,
): Promise<Person & { readonly devices: readonly RawDevice[] }> {
  const account = cloud.account(name);
  const identity = newIdentity(account);
  const keys = [identity.deviceKey, ...Array.from({ length: count - 1 }, newKey)];
  const open = async (key: Identity["deviceKey"]): Promise<RawDevice> =>
    openRaw({ url: cloud.url, token: await cloud.token(account), key, now: cloud.now() });
  const first = await open(identity.deviceKey);
  const record = accountRecordOf(identity, { devices: keys.map((key) => certify(identity, key)) });
  expect((await first.request("putAccount", { record })).error).toBeUndefined();
  await first.close();
  const devices = await Promise.all(keys.map(open));
  const scopes = await Promise.all(devices.map(async (device) => (await device.request("hello", {})).ok?.scope));
  expect(new Set(scopes)).toEqual(new Set(["full"]));
  return { identity, device: devices[0]!, devices };
}

/** A device of the account that nobody certified yet, connected. */
export async function newcomer(cloud: Scene, account: string): Promise<Person> {
  const deviceKey = newKey();
  const identity = { ...newIdentity(account), deviceKey, device: deviceIdOf(deviceKey) };
  return { identity, device: await anotherSocket(cloud, identity) };
}

/** Another socket of `who`, silent. */
export async function anotherSocket(cloud: Scene, who: Identity): Promise<RawDevice> {
  const token = await cloud.token(who.account);
  return openRaw({ url: cloud.url, token, key: who.deviceKey, now: cloud.now() });
}

/** Bytes that stand for a ciphertext. */
export const opaque = (text: string, length = 352): { readonly inline: string } => {
  const seed = createHash("sha256").update(text).digest();
  return { inline: encodeBase64Url(new Uint8Array(length).map((_, i) => seed[i % 32]! ^ (i & 255))) };
};

export const message = (text: string): { readonly id: string; readonly payload: { readonly inline: string } } => ({
  id: randomId(),
  payload: opaque(text),
});

/** A group of `people`, created by the first of them. */
export async function group(people: readonly Person[]): Promise<string> {
  const conversation = `g-${randomId()}`;
  const [creator, ...guests] = people;
  const welcomes = await Promise.all(guests.map((guest) => welcomeFrom(creator!.device, guest)));
  const created = await creator!.device.request("createConversation", {
    conversation,
    entry: randomId(),
    payload: opaque("create"),
    welcomes,
    blobs: [],
    roster: people.map(({ identity }) => identity.account),
    generation: 0,
  });
  expect(created.error).toBeUndefined();
  return conversation;
}

/** Everything after `after`, page by page. */
export async function readAll(device: RawDevice, conversation: string, after = 0, limit?: number) {
  const entries: Entry[] = [];
  for (let cursor: number | undefined = after; cursor !== undefined;) {
    const page: Outcome<"read"> = await device.request("read", {
      conversation,
      after: cursor,
      ...(limit === undefined ? {} : { limit }),
    });
    if (page.error) throw new Error(`read: ${page.error.code}`);
    entries.push(...page.ok.entries);
    cursor = page.ok.next;
  }
  return entries;
}
