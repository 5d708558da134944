/** The composition root: chooses what the platform offers, opens the store, brings up a client. */
import { cipherSuites, getCipherSuite } from "@tacit/mls";
import { fetchBlobs } from "./adapters/fetchBlobs.ts";
import { systemClock } from "./adapters/systemClock.ts";
import type { Client, LinkOptions } from "./api.ts";
import type { BackupTimes } from "./backup/backupKeeper.ts";
import { TacitClient } from "./client.ts";
import type { RecoverDeps } from "./clientDeps.ts";
import { TacitError } from "./errors.ts";
import { platformHints, platformProvider, platformTransport } from "./platform/node.ts";
import type { BlobTransfer, Clock, DeviceHints, Logger, Random, Store, Transport, Vault } from "./ports.ts";
import { sealedStore } from "./sealedStore.ts";
import type { CryptoProvider } from "./session/cryptoContext.ts";
import { readRecoveryCode } from "./session/identity/recoveryCode.ts";
import type { RenewalPace } from "./session/renewal.ts";

export interface ConnectOptions {
  /** The deployment's socket URL (`wss://…`; `ws://` for one on this machine). */
  readonly url: string;
  /** Hands out a token of the team's identity provider. Called for each connection, at least every two hours. */
  readonly token: () => string | Promise<string>;
  /** One store holds one device. The client closes it, also where `connect` rejects. */
  readonly store: Store;
  /** What the token is expected to say; checked. */
  readonly account?: string;
  /** Where the key to the store is kept. Default: the store's own. */
  readonly vault?: Vault;
  /** Primitives. Default: node:crypto in Node, WebCrypto and @noble in browsers, @noble in React Native. */
  readonly provider?: CryptoProvider;
  /** MLS suite, the same for all clients of a deployment. Default: MLKEM768X25519, AES-256-GCM, SHA-384, Ed25519. */
  readonly suite?: number;
  /** Default: the platform's WebSocket; in Node before 22 the package `ws`. */
  readonly transport?: Transport;
  /** Default: fetch. */
  readonly blobs?: BlobTransfer;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** Default: the platform's. Not used where `provider` is given, which has its own. */
  readonly random?: Random;
  /** Default: silent. */
  readonly logger?: Logger;
  /**
   * Lets a new device of an account that has devices wait until it is linked; `connect` resolves then. Without it such a device gets
   * `device_not_linked`. The account's first device does not need it.
   */
  readonly link?: LinkOptions;
  /**
   * The recovery code of an account whose devices are lost: takes the account over on this device, in a store that is fresh. All other devices
   * are revoked, and people are told that the account's key changed. An interrupted recovery goes on by itself, the next time with this
   * store. `onNewCode` is shown a new code before the old one ends, and may take its time until it was written down; it is called again
   * where that came to nothing. Without it the old code stays.
   */
  readonly recover?: string | { readonly code: string; readonly onNewCode?: (code: string) => void | Promise<void> };
  /** The key that signs the deployment's receipts (base64url). Default: pinned on first sight. */
  readonly receiptKey?: string;
  /** When backups are made. */
  readonly backup?: BackupTimes;
  /**
   * When this device renews its keys by itself. `commitsPerDay` is a whole number up to 1,000, and 0 turns it off: then a key that was stolen
   * is worth something until the application calls `rotateKeys`. `interval` is an hour at least. Default: 24 commits a day, once a day.
   */
  readonly renewals?: RenewalPace;
  /**
   * Whether somebody looks at the app, and whether there is a network. Default: the page's own in browsers; in React Native pass
   * `reactNativeHints({ AppState, NetInfo })`, or tell with `client.hint`; elsewhere none.
   */
  readonly hints?: DeviceHints;
  /**
   * Milliseconds in the background after which the connection is let go, until the app is in the foreground again or
   * something takes the relay; Infinity: never. Default: 8 hours in browsers, 3 seconds in React Native, where pushes wake the device.
   */
  readonly restAfter?: number;
  /**
   * How many times longer than usual the client waits for the relay's answers, which are 3 seconds of silence until it asks again and 15 until it gives a
   * request up: for networks that are slower than that. Default: 1.
   */
  readonly patience?: number;
  /** False: stays offline until `goOnline`; a new device connects once to register. Default true. */
  readonly online?: boolean;
}

/**
 * Opens the store and the device in it. A new device registers first, or is linked, so that takes a connection; after that it resolves at
 * once and connects in the background: `client.connection` tells, `client.caughtUp()` waits.
 * @throws TacitError `refused`, `token_failed`, `account_mismatch`, `device_not_linked`, `link_cancelled`, `recovery_code_invalid`, `no_backup`, `identity_invalid`, `store_corrupt`, `vault_failed`,
 *   `connection_lost` (a new device could not reach the relay), `unsupported_platform`, `invalid_argument`
 */
export async function connect(options: ConnectOptions): Promise<Client> {
  try {
    return await open(options);
  } catch (error) {
    await options.store.close();
    throw error;
  }
}

async function open(options: ConnectOptions): Promise<Client> {
  if (!isPrivate(options.url))
    throw new TacitError("invalid_argument", "connect: url is wss://, or ws:// to this machine");
  if (options.receiptKey !== undefined && !/^[A-Za-z0-9_-]{43}$/.test(options.receiptKey)) {
    throw new TacitError("invalid_argument", "connect: receiptKey is 32 bytes in base64url");
  }
  if (options.patience !== undefined && !(options.patience >= 1 && options.patience < Infinity)) {
    throw new TacitError("invalid_argument", "connect: patience is a number from 1 on");
  }
  requirePace(options.renewals);
  const recover = recoverDeps(options.recover);
  const vault = options.vault ?? options.store.vault;
  if (vault === undefined) throw new TacitError("invalid_argument", "connect: this store needs the option vault");
  const provider = options.provider ?? platformProvider(options.random === undefined ? {} : { random: options.random });
  const suiteId = options.suite ?? cipherSuites.MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519;
  const client = await TacitClient.open({
    url: options.url,
    token: options.token,
    store: await sealedStore(options.store, vault, provider.random),
    crypto: { provider, suite: getCipherSuite(suiteId, provider) },
    transport: options.transport ?? (await platformTransport()),
    blobs: options.blobs ?? fetchBlobs,
    clock: options.clock ?? systemClock,
    logger: options.logger ?? { warn: () => {} },
    account: options.account,
    link: options.link,
    receiptKey: options.receiptKey,
    recover,
    backup: options.backup,
    renewals: options.renewals,
    hints: options.hints ?? platformHints(),
    restAfter: options.restAfter,
    patience: options.patience,
  });
  if (client.isRegistered) {
    if (options.account !== undefined && options.account !== client.account) {
      throw new TacitError("account_mismatch", "the store is of another account");
    }
    if (options.online !== false) client.goOnline();
    return client;
  }
  client.goOnline();
  await registered(client, options.link?.signal);
  if (options.online === false) client.goOffline();
  return client;
}

/** Times of so many commits are stored with each conversation. */
const mostCommitsPerDay = 1_000;
/** Devices look four times an hour; what is less was meant in other units. */
const shortestInterval = 3_600_000;

function requirePace({ commitsPerDay = 0, interval = shortestInterval }: RenewalPace = {}): void {
  if (!(Number.isInteger(commitsPerDay) && commitsPerDay >= 0 && commitsPerDay <= mostCommitsPerDay)) {
    throw new TacitError(
      "invalid_argument",
      `connect: renewals.commitsPerDay is a whole number from 0 to ${mostCommitsPerDay}`,
    );
  }
  if (!(interval >= shortestInterval && interval < Infinity)) {
    throw new TacitError(
      "invalid_argument",
      "connect: renewals.interval is a number of milliseconds, an hour at least",
    );
  }
}

/** @throws TacitError `recovery_code_invalid` where it has a slip of the pen: then nothing is touched */
function recoverDeps(recover: ConnectOptions["recover"]): RecoverDeps | undefined {
  if (recover === undefined) return undefined;
  const { code, onNewCode } = typeof recover === "string" ? { code: recover, onNewCode: undefined } : recover;
  const key = readRecoveryCode(code);
  if (key === undefined) throw new TacitError("recovery_code_invalid", "connect: not a recovery code");
  return { key, onNewCode };
}

/** The token goes in clear over ws://, so that is for a relay on this machine alone. */
function isPrivate(url: string): boolean {
  return /^wss:\/\//i.test(url) || /^ws:\/\/(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?(\/|$)/i.test(url);
}

/** Attempts that a new device makes to reach the relay. */
const firstAttempts = 4;

async function registered(client: TacitClient, cancelled: AbortSignal | undefined): Promise<void> {
  const cancel = (): void => {
    client.cancelLinking().catch(() => {});
  };
  if (cancelled?.aborted === true) cancel();
  cancelled?.addEventListener("abort", cancel);
  let last: TacitError | undefined;
  const failure = await new Promise<TacitError | undefined>((resolve) => {
    // The application hears of what fails while this device reads what was missed.
    void client.reachable.then(() => resolve(undefined));
    const end = client.connection.subscribe((state) => {
      if (state.status === "offline") last = state.reason ?? last;
      const isRefused = state.status === "offline" && state.reason?.code === "refused";
      const isOver =
        isRefused ||
        state.status === "online" ||
        state.status === "closed" ||
        (state.status === "connecting" && state.attempt > firstAttempts && !client.isRegistered);
      if (!isOver) return;
      // Not before `subscribe` has answered.
      queueMicrotask(() => end());
      if (state.status === "closed") last = state.reason ?? new TacitError("closed", "the client was closed");
      resolve(state.status === "online" ? undefined : last);
    });
  });
  cancelled?.removeEventListener("abort", cancel);
  if (failure === undefined) return;
  await client.close();
  throw failure;
}
