/** The composition root: chooses what the platform offers, opens the store, brings up a client. */
import type { Client } from "./api.ts";
import type { BlobTransfer, Clock, Logger, Random, Store, Transport, Vault } from "./ports.ts";
import type { CryptoProvider } from "./session/cryptoContext.ts";

export interface ConnectOptions {
  /** The deployment's socket URL (`wss://…`). */
  readonly url: string;
  /** Hands out a token of the team's identity provider. Called for each connection, at least every two hours. */
  readonly token: () => string | Promise<string>;
  /** One store holds one device. */
  readonly store: Store;
  /** What the token is expected to say; checked. */
  readonly account?: string;
  /** Where the key to the store is kept. Default: the store's own. */
  readonly vault?: Vault;
  /** Primitives. Default: node:crypto in Node, WebCrypto and @noble in browsers, @noble elsewhere. */
  readonly provider?: CryptoProvider;
  /** MLS suite of new conversations. Default: MLKEM768X25519, AES-256-GCM, SHA-384, Ed25519. */
  readonly suite?: number;
  /** Default: the platform's WebSocket; in Node before 22 the package `ws`. */
  readonly transport?: Transport;
  /** Default: fetch. */
  readonly blobs?: BlobTransfer;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Default: silent. */
  readonly logger?: Logger;
  /** False: stay offline until `goOnline` (after the device is registered). Default true. */
  readonly online?: boolean;
}

export declare function connect(options: ConnectOptions): Promise<Client>;
