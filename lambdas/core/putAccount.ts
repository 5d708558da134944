/**
 * `putAccount`: the first record of an account, or the successor of the one that the Directory holds. A successor may go on
 * under another account key, where the key before says so: that is how a lost holder is replaced.
 */
import { accountRecord, decodeBase64Url, longestRotations, type AccountRecord, type Request } from "@tacit/protocol";
import type { StoredAccount } from "../ports.ts";
import { checkRecord, invalid, isSameWay, type CheckedRecord } from "./accountRecord.ts";
import type { Caller } from "./caller.ts";
import { digest } from "./digest.ts";
import type { Done } from "./done.ts";
import { closeSocket } from "./farewell.ts";
import { parseJson } from "./parseJson.ts";
import { receiptOf } from "./receipt.ts";
import type { Relay } from "./relay.ts";
import { Refused } from "./refused.ts";

const conflict = (): Refused => new Refused("record_conflict", "not the successor of the record in the Directory");

export async function putAccount(
  relay: Relay,
  caller: Caller,
  { record: signed }: Request<"putAccount">,
): Promise<Done<"putAccount">> {
  const checked = checkRecord(relay, caller.account, signed);
  const { record, devices } = checked;
  const { version, accountKey, revoked } = record;
  const current = await relay.directory.get(caller.account);
  const next: StoredAccount = { signed, version, accountKey, devices, revoked };
  if (current === undefined) requireFirst(caller, checked);
  else if (!isSame(current, next)) requireSuccessor(relay, caller, current, checked);

  let stored = current;
  if (stored === undefined || !isSame(stored, next)) {
    const outcome = await relay.directory.put(caller.account, next, stored?.version);
    stored = outcome.landed ? next : outcome.found;
    if (stored === undefined || !isSame(stored, next)) throw conflict();
  }
  // Also for a repetition: the first request may have ended halfway.
  const closes = current === undefined ? undefined : await dismiss(relay, caller, current, next);
  // Last: the record counts, whether its receipt can be signed now or only later.
  return { answer: { version, receipt: await receiptOf(relay, caller.account, stored) }, closes };
}

const isSame = (a: StoredAccount, b: StoredAccount): boolean =>
  a.signed.payload === b.signed.payload && a.signed.signature === b.signed.signature;

function requireFirst({ device }: Caller, { record, devices }: CheckedRecord): void {
  if (record.version !== 1 || record.previous !== null) throw conflict();
  if (!isSameWay(record.rotations, [])) throw invalid("the first one has no key before");
  if (!devices.includes(device)) throw invalid("without the device that puts it");
}

function requireSuccessor(
  relay: Relay,
  caller: Caller,
  current: StoredAccount,
  { record, devices }: CheckedRecord,
): void {
  const previous = digest(relay, decodeBase64Url(current.signed.payload));
  if (record.version !== current.version + 1 || record.previous !== previous) throw conflict();
  if (record.accountKey === current.accountKey) requireSameKey(caller, current, record);
  else requireRotation(caller, current, record, devices);
  const revoked = new Set(record.revoked);
  if (current.revoked.some((device) => !revoked.has(device))) throw invalid("a revocation was taken back");
  const listed = new Set(devices);
  if (current.devices.some((device) => !listed.has(device) && !revoked.has(device))) {
    throw invalid("a device is neither certified nor revoked");
  }
}

function requireSameKey(caller: Caller, current: StoredAccount, record: AccountRecord): void {
  // A device that is not certified yet is linked by one that is: it cannot put itself there.
  if (caller.scope !== "full" || !current.devices.includes(caller.device)) throw conflict();
  if (!isSameWay(record.rotations, rotationsOf(current))) throw invalid("rotations, and the same key");
}

/**
 * The key before has signed for this one, so whoever puts it holds both, and need not have been certified. Nothing else gets a
 * device without a certificate into an account that exists.
 */
function requireRotation(
  caller: Caller,
  current: StoredAccount,
  { rotations = [] }: AccountRecord,
  devices: readonly string[],
): void {
  const before = rotationsOf(current) ?? [];
  // The way that travels has an end: the oldest makes room.
  const kept = before.length < longestRotations ? before : before.slice(1);
  const isNext = rotations.at(-1)?.from === current.accountKey && isSameWay(rotations.slice(0, -1), kept);
  if (!isNext) throw conflict();
  if (!devices.includes(caller.device)) throw invalid("without the device that puts it");
}

const rotationsOf = ({ signed }: StoredAccount): AccountRecord["rotations"] =>
  parseJson(accountRecord, decodeBase64Url(signed.payload))?.rotations;

/**
 * Takes the sockets and key packages of revoked devices away: of all of them, where this is a repetition. The Directory was
 * written before: see `hello`.
 */
async function dismiss(
  relay: Relay,
  caller: Caller,
  before: StoredAccount,
  next: StoredAccount,
): Promise<Done<"putAccount">["closes"]> {
  const { connections, keyPackages } = relay;
  const { account } = caller;
  const { revoked } = next;
  const known = new Set(isSame(before, next) ? [] : before.revoked);
  const registered = (await connections.of([account])).get(account);
  let closes: Done<"putAccount">["closes"];
  await Promise.all(
    revoked.map(async (device) => {
      const registration = registered?.get(device);
      if (registration !== undefined) {
        await connections.unregister(account, device, registration.connection);
        // The caller's own socket ends after the answer.
        if (registration.connection === caller.connection) closes = "device_revoked";
        else await closeSocket(relay, registration.connection, "device_revoked");
      }
      if (!known.has(device)) await keyPackages.clear(account, device);
    }),
  );
  return closes;
}
