/** What the devices of one account tell each other. */
import type { Signed } from "@tacit/protocol";
import type { AccountSends } from "./accountSends.ts";
import { encodeAccountMessage } from "../session/identity/accountMessage.ts";
import { utf8 } from "../session/bytes.ts";
import type { Change } from "../session/conversationStore.ts";
import { openSecret } from "../session/identity/renewedSecret.ts";
import type { OwnAccountDeps } from "./accountDeps.ts";
import type { OwnIdentity } from "./ownIdentity.ts";

const announceKey = "a/announce";
/** To store with what links a device: it is to tell the others, once it can be reached. */
export const announceLater: Change = { key: announceKey, value: utf8("yes") };

export class Siblings {
  readonly #deps: Pick<OwnAccountDeps, "store" | "crypto">;
  readonly #own: OwnIdentity;
  readonly #sends: AccountSends;

  constructor(deps: Pick<OwnAccountDeps, "store" | "crypto">, own: OwnIdentity, sends: AccountSends) {
    this.#deps = deps;
    this.#own = own;
    this.#sends = sends;
  }

  /** A device that was linked says that it can be reached: durable here, delivered later. */
  async announce(): Promise<void> {
    const { store } = this.#deps;
    const record = this.#own.record.current;
    if (record === undefined || (await store.get(announceKey)) === undefined) return;
    const message = encodeAccountMessage({ kind: "accountRecord", version: record.version });
    const others = record.devices.filter(({ device }) => device !== this.#own.now.device);
    const sends = others.map(({ device }) => ({ device, message }));
    await store.commit([{ key: announceKey }, ...(await this.#sends.queued(sends))]);
  }

  /** The holder renewed the account's secret, and sealed it for this device. */
  async takeSecret(signed: Signed): Promise<void> {
    const { hpkeKey, device } = this.#own.now;
    const { account } = this.#own.enrolment;
    const { accountKey } = this.#own.current.verified;
    if (hpkeKey === undefined) return;
    const opened = await openSecret(this.#deps.crypto.provider, { account, device, hpkeKey }, accountKey, signed);
    if (opened === undefined) return;
    await this.#own.alone(async () => {
      if (opened.version <= this.#own.now.secretSince) return;
      await this.#own.save({ ...this.#own.now, accountSecret: opened.secret, secretSince: opened.version });
    });
  }
}
