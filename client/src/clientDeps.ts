/** What a client is made of: all that differs between platforms, deployments and tests. */
import type { LinkOptions } from "./api.ts";
import type { BackupTimes } from "./backup/backupKeeper.ts";
import type { BlobTransfer, Clock, DeviceHints, Logger, Transport } from "./ports.ts";
import type { SealedStore } from "./sealedStore.ts";
import type { CryptoContext } from "./session/cryptoContext.ts";
import type { RenewalPace } from "./session/renewal.ts";

export interface ClientDeps {
  readonly url: string;
  readonly token: () => string | Promise<string>;
  readonly store: SealedStore;
  readonly crypto: CryptoContext;
  readonly transport: Transport;
  readonly blobs: BlobTransfer;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly account: string | undefined;
  readonly link: LinkOptions | undefined;
  /** base64url. */
  readonly receiptKey: string | undefined;
  readonly recover: RecoverDeps | undefined;
  readonly backup: BackupTimes | undefined;
  readonly renewals: RenewalPace | undefined;
  readonly hints?: DeviceHints | undefined;
  readonly restAfter?: number | undefined;
  readonly patience: number | undefined;
}

export interface RecoverDeps {
  /** Of the recovery code. */
  readonly key: Uint8Array;
  readonly onNewCode: ((code: string) => void | Promise<void>) | undefined;
}
