/**
 * A change of the own account's record on its way: what it is for, and the version that makes it, signed once and stored before the
 * relay sees it. Until the relay has a version of that number this very one is repeated, so that nobody ever holds two of the holder's
 * versions with one number. Where another one landed, the same intent makes the version after that.
 */
import { decodeBase64Url, encodeBase64Url, type Signed } from "@tacit/protocol";
import type { VerifiedRecord } from "./accountRecord.ts";
import { encodeAccountMessage, type AccountMessage } from "./accountMessage.ts";
import { parseJson, utf8 } from "../bytes.ts";
import type { CryptoProvider } from "../cryptoContext.ts";
import { openNames, type DeviceNames } from "./deviceNames.ts";
import type { Holder } from "./identity.ts";
import { sealAnswer, type HandedHistory, type LinkRecipient } from "../linking/linkAnswer.ts";
import { recordWithDevice, recordWithNames, recordWithoutDevices, type DeviceKeys, type Signer } from "./nextRecord.ts";
import { sealSecret } from "./renewedSecret.ts";

export type Intent =
  | {
      readonly kind: "link";
      readonly keys: DeviceKeys;
      readonly name: string | undefined;
      readonly recipient: LinkRecipient;
      readonly history: HandedHistory | undefined;
    }
  /** `secret` is what the account's devices share afterwards. */
  | { readonly kind: "revoke"; readonly devices: readonly string[]; readonly secret: Uint8Array }
  | { readonly kind: "rename"; readonly device: string; readonly name: string };

export interface RecordTask {
  readonly intent: Intent;
  readonly record: Signed;
}

/** The version of the record that the holder stands on. */
export interface CurrentRecord {
  readonly signed: Signed;
  readonly verified: VerifiedRecord;
}

export type TaskMade =
  | { readonly kind: "task"; readonly task: RecordTask }
  /** There is nothing (any more) to do, or nothing that can be done. */
  | { readonly kind: "moot" }
  /** The record has no room for it. */
  | { readonly kind: "full" };

export async function makeTask(
  provider: CryptoProvider,
  holder: Holder,
  current: CurrentRecord,
  intent: Intent,
  now: number,
): Promise<TaskMade> {
  if (isMoot(current.verified, intent)) return { kind: "moot" };
  const names = namesOf(holder, current.verified) ?? { holder: holder.device, names: new Map<string, string>() };
  const record = await nextRecord(provider, holder, current.signed, names, intent, now);
  return record === undefined ? { kind: "full" } : { kind: "task", task: { intent, record } };
}

/** Undefined where this device cannot read them: sealed under a secret that it does not have (yet), or never given. */
export function namesOf(
  { accountSecret }: { readonly accountSecret: Uint8Array | undefined },
  { account, version, sealed }: VerifiedRecord,
): DeviceNames | undefined {
  if (accountSecret === undefined || sealed === undefined) return undefined;
  return openNames(accountSecret, { account, version }, sealed);
}

function isMoot({ devices, revoked }: VerifiedRecord, intent: Intent): boolean {
  const listed = new Set(devices.map(({ device }) => device));
  switch (intent.kind) {
    case "link":
      return listed.has(intent.keys.device) || revoked.includes(intent.keys.device);
    case "revoke":
      return !intent.devices.some((device) => listed.has(device));
    case "rename":
      return !listed.has(intent.device);
  }
}

function nextRecord(
  provider: CryptoProvider,
  holder: Holder,
  current: Signed,
  { names }: DeviceNames,
  intent: Intent,
  now: number,
): Promise<Signed | undefined> {
  const signer = (secret: Uint8Array, more: readonly (readonly [string, string])[] = []): Signer => {
    const all = new Map([...names, ...more]);
    return { provider, accountKey: holder.accountKey, secret, names: { holder: holder.device, names: all } };
  };
  const { accountSecret } = holder;
  switch (intent.kind) {
    case "link": {
      const { keys, name } = intent;
      const named = name === undefined ? [] : ([[keys.device, name]] as const);
      return recordWithDevice(signer(accountSecret, named), current, keys, now);
    }
    case "revoke":
      return recordWithoutDevices(signer(intent.secret), current, intent.devices);
    case "rename":
      return recordWithNames(signer(accountSecret, [[intent.device, intent.name]]), current);
  }
}

/** Something for another device's inbox. */
export interface AccountSend {
  readonly device: string;
  readonly message: Uint8Array;
}

/** What the others are to be told when the version landed that `intent` made; `holder` is as it is afterwards. */
export async function tidings(
  provider: CryptoProvider,
  holder: Holder,
  landed: VerifiedRecord,
  intent: Intent,
  /** Device -> X-Wing public key of those that were linked. */
  siblings: ReadonlyMap<string, Uint8Array>,
): Promise<readonly AccountSend[]> {
  const { account, accountKey, version, hash } = landed;
  const { accountSecret: secret, secretSince } = holder;
  const linked = intent.kind === "link" ? intent.keys.device : undefined;
  const sends: AccountSend[] = [];
  const send = (device: string, message: AccountMessage): void => {
    sends.push({ device, message: encodeAccountMessage(message) });
  };
  if (intent.kind === "link") {
    const answer = { accountKey, version, hash, secret, secretSince, history: intent.history };
    send(intent.keys.device, await sealAnswer(provider, intent.recipient, answer));
  }
  for (const { device } of landed.devices) {
    if (device === holder.device || device === linked) continue;
    const hpkeKey = siblings.get(device);
    if (intent.kind !== "revoke" || hpkeKey === undefined) {
      send(device, { kind: "accountRecord", version });
      continue;
    }
    const to = { account, device, hpkeKey };
    const renewed = await sealSecret(provider, holder.accountKey, to, { secret, version: secretSince });
    send(device, { kind: "accountRecord", version, secret: renewed });
  }
  return sends;
}

export function encodeTask({ intent, record }: RecordTask): Uint8Array {
  return utf8(JSON.stringify({ intent: storedIntent(intent), record }));
}

/** Of what `encodeTask` made. */
export function decodeTask(bytes: Uint8Array): RecordTask {
  const { intent, record } = parseJson(bytes) as unknown as { readonly intent: StoredIntent; readonly record: Signed };
  return { intent: intentOf(intent), record };
}

type Stored<T> = T extends Uint8Array ? string : T extends object ? { readonly [F in keyof T]: Stored<T[F]> } : T;
type StoredIntent =
  | (Omit<Extract<Intent, { kind: "link" }>, "recipient" | "history"> & {
      readonly recipient: Stored<LinkRecipient>;
      readonly history?: Stored<HandedHistory>;
    })
  | (Omit<Extract<Intent, { kind: "revoke" }>, "secret"> & { readonly secret: string })
  | Extract<Intent, { kind: "rename" }>;

function storedIntent(intent: Intent): StoredIntent {
  switch (intent.kind) {
    case "link": {
      const { recipient, history, ...rest } = intent;
      return {
        ...rest,
        recipient: {
          ...recipient,
          hpkeKey: encodeBase64Url(recipient.hpkeKey),
          offer: encodeBase64Url(recipient.offer),
          psk: encodeBase64Url(recipient.psk),
        },
        ...(history === undefined ? {} : { history: storedHistory(history) }),
      };
    }
    case "revoke":
      return { ...intent, secret: encodeBase64Url(intent.secret) };
    case "rename":
      return intent;
  }
}

function intentOf(stored: StoredIntent): Intent {
  switch (stored.kind) {
    case "link": {
      const { recipient, history, name, ...rest } = stored;
      return {
        ...rest,
        name,
        recipient: {
          ...recipient,
          hpkeKey: decodeBase64Url(recipient.hpkeKey),
          offer: decodeBase64Url(recipient.offer),
          psk: decodeBase64Url(recipient.psk),
        },
        history: history && historyOf(history),
      };
    }
    case "revoke":
      return { ...stored, secret: decodeBase64Url(stored.secret) };
    case "rename":
      return stored;
  }
}

type StoredHistory = Stored<HandedHistory>;

function storedHistory({ key, blobs }: HandedHistory): StoredHistory {
  return { key: encodeBase64Url(key), blobs };
}
function historyOf({ key, blobs }: StoredHistory): HandedHistory {
  return { key: decodeBase64Url(key), blobs };
}

export function encodeHandedHistory(history: HandedHistory): Uint8Array {
  return utf8(JSON.stringify(storedHistory(history)));
}

/** Of what `encodeHandedHistory` made. */
export function decodeHandedHistory(bytes: Uint8Array): HandedHistory {
  return historyOf(parseJson(bytes) as unknown as StoredHistory);
}
