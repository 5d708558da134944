/** `putAccount`: the first record of an account, or the successor of the one that the Directory holds. */
import { decodeBase64Url, type Request } from "@tacit/protocol";
import type { StoredAccount } from "../ports.ts";
import { checkRecord, invalid, type CheckedRecord } from "./accountRecord.ts";
import type { Caller } from "./caller.ts";
import { digest } from "./digest.ts";
import type { Done } from "./done.ts";
import { closeSocket } from "./farewell.ts";
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

  if (current === undefined || !isSame(current, next)) {
    const outcome = await relay.directory.put(caller.account, next, current?.version);
    if (!outcome.landed && (outcome.found === undefined || !isSame(outcome.found, next))) throw conflict();
  }
  // Also for a repetition: the first request may have ended halfway.
  const closes = current === undefined ? undefined : await dismiss(relay, caller, current, next);
  return { answer: { version }, closes };
}

const isSame = (a: StoredAccount, b: StoredAccount): boolean =>
  a.signed.payload === b.signed.payload && a.signed.signature === b.signed.signature;

function requireFirst({ device }: Caller, { record, devices }: CheckedRecord): void {
  if (record.version !== 1 || record.previous !== null) throw conflict();
  if (!devices.includes(device)) throw invalid("without the device that puts it");
}

function requireSuccessor(
  relay: Relay,
  caller: Caller,
  current: StoredAccount,
  { record, devices }: CheckedRecord,
): void {
  // A device that is not certified yet is linked by one that is: it cannot put itself there.
  if (caller.scope !== "full" || !current.devices.includes(caller.device)) throw conflict();
  const previous = digest(relay, decodeBase64Url(current.signed.payload));
  if (record.version !== current.version + 1 || record.previous !== previous) throw conflict();
  if (record.accountKey !== current.accountKey) throw conflict();
  const revoked = new Set(record.revoked);
  if (current.revoked.some((device) => !revoked.has(device))) throw invalid("a revocation was taken back");
  const listed = new Set(devices);
  if (current.devices.some((device) => !listed.has(device) && !revoked.has(device))) {
    throw invalid("a device is neither certified nor revoked");
  }
}

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
      if (!known.has(device)) await keyPackages.clear(account, device);
      const registration = registered?.get(device);
      if (registration === undefined) return;
      await connections.unregister(account, device, registration.connection);
      // The caller's own socket ends after the answer.
      if (registration.connection === caller.connection) closes = "device_revoked";
      else await closeSocket(relay, registration.connection, "device_revoked");
    }),
  );
  return closes;
}
