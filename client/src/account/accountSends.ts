/** What this device has to say to others of the account: stored with what it follows from, delivered in order, however often it takes. */
import { encodeBase64Url } from "@tacit/protocol";
import type { Connection } from "../connection/connection.ts";
import type { TacitError } from "../errors.ts";
import { Refused } from "../connection/relaySocket.ts";
import type { SealedStore } from "../sealedStore.ts";
import { fromUtf8, utf8 } from "../session/bytes.ts";
import type { Change } from "../session/conversationStore.ts";
import { randomId, type CryptoProvider } from "../session/cryptoContext.ts";
import type { AccountSend } from "../session/identity/recordTask.ts";
import { translate } from "../translate.ts";

export interface AccountSendsDeps {
  readonly store: SealedStore;
  readonly provider: CryptoProvider;
  readonly connection: Pick<Connection, "request">;
  readonly failed: (error: TacitError) => void;
  /** Whether the device is of the account now. */
  readonly isListed: (device: string) => boolean;
}

const prefix = "a/send/";

export class AccountSends {
  readonly #deps: AccountSendsDeps;
  #delivery: Promise<void> | undefined;

  constructor(deps: AccountSendsDeps) {
    this.#deps = deps;
  }

  /** What to store. The caller stores it before it asks again. */
  async queued(sends: readonly AccountSend[]): Promise<readonly Change[]> {
    const { store, provider } = this.#deps;
    const [last] = await store.scan(prefix, { reverse: true, limit: 1 });
    const before = Number(last?.[0].slice(prefix.length) ?? 0);
    return sends.map(({ device, message }, index) => ({
      key: prefix + String(before + index + 1).padStart(12, "0"),
      value: utf8(JSON.stringify({ device, message: randomId(provider), payload: encodeBase64Url(message) })),
    }));
  }

  /**
   * One delivery at a time, in order: a device must hear of a renewed secret after the answer that it was linked with.
   * @throws Refused, LostAnswer where it may pass later
   */
  deliver(account: string): Promise<void> {
    return (this.#delivery ??= this.#deliverAll(account).finally(() => (this.#delivery = undefined)));
  }

  async #deliverAll(account: string): Promise<void> {
    const { store, connection, failed, isListed } = this.#deps;
    for (const [key, value] of await store.scan(prefix)) {
      const { device, message, payload } = JSON.parse(fromUtf8(value)) as StoredSend;
      try {
        await connection.request("sendInbox", { account, device, message, payload: { inline: payload } });
      } catch (error) {
        if (!(error instanceof Refused) || error.refusal.retryable) throw error;
        // The device may have been revoked meanwhile.
        if (isListed(device)) failed(translate(error));
      }
      await store.commit([{ key }]);
    }
  }
}

interface StoredSend {
  readonly device: string;
  /** Names it to the relay, so that a repetition overwrites. */
  readonly message: string;
  readonly payload: string;
}
