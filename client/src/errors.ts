/** The one error of the client: a stable `code` that narrows, whether trying again can help, and what the application can do. */

/** What an application can do about a failure. */
export type Remedy =
  /** Nothing: the client goes on by itself. */
  | "wait"
  /** Call again, later. */
  | "retry"
  /** Let the user sign in again, or hand out a valid token. */
  | "signIn"
  /** Show the user that a peer's key changed; go on with `acceptIdentity`. */
  | "verifyPeer"
  /** Close what else uses this store or device. */
  | "closeOther"
  /** Link or recover this device. */
  | "link"
  /** Do it on the device that `devices()` calls the holder. */
  | "useHolder"
  /** Correct the call. */
  | "fix"
  /** Quote `requestId` to who operates the deployment. */
  | "report";

const table = {
  /** No connection, and this cannot wait for one. */
  offline: [true, "retry"],
  /** The connection ended before the answer came. */
  connection_lost: [true, "wait"],
  /** The deployment refuses the socket: token, audience or endpoint. It is asked again now and then; with `goOnline`, at once. */
  refused: [true, "signIn"],
  /** The token callback threw or rejected. */
  token_failed: [true, "signIn"],
  /** The token is of another account than this store. */
  account_mismatch: [false, "signIn"],
  /** The account has devices, and this is none of them. */
  device_not_linked: [false, "link"],
  device_revoked: [false, "link"],
  /** What was typed or scanned is no code of a new device. */
  link_code_invalid: [false, "fix"],
  /** The code is older than ten minutes, was used, or no device shows it: let the new device show a fresh one. */
  link_expired: [false, "link"],
  /** Linking was cancelled on the new device. */
  link_cancelled: [false, "link"],
  /** Only the device that holds the account key changes the account's devices. */
  not_holder: [false, "useHolder"],
  /** A linked device was given history that could not be fetched or opened; it goes on without. */
  history_lost: [false, "report"],
  /** What was typed is no recovery code, or not the one of this account. */
  recovery_code_invalid: [false, "fix"],
  /** There is nothing that a recovery code could open: no backup was made. */
  no_backup: [false, "link"],
  /** The relay does not have the backup, or a part of it, as it was made. A backup is made anew; what was to be restored from it is lost. */
  backup_lost: [true, "wait"],
  /** Another client of the same device took over. */
  superseded: [false, "closeOther"],
  /** The client was closed. */
  closed: [false, "fix"],
  /** Another process or tab has this store open. */
  store_locked: [true, "closeOther"],
  store_failed: [true, "report"],
  /** What the store holds cannot be opened or read. */
  store_corrupt: [false, "report"],
  /** The vault's key is not the one of this store (a wrong passphrase, a lost key file). */
  vault_failed: [false, "fix"],
  unknown_account: [false, "fix"],
  /** None of the account's devices can be reached: no key package is left. */
  no_key_packages: [true, "retry"],
  /** The account's record or a device's certificate does not hold. */
  identity_invalid: [false, "report"],
  /** The account's key is not the pinned one: nothing is sent until the application accepts it. */
  identity_changed: [false, "verifyPeer"],
  not_a_member: [false, "fix"],
  /** The roles of the group do not allow it. */
  forbidden: [false, "fix"],
  /** This device cannot follow the conversation any more. */
  cannot_follow: [false, "report"],
  too_large: [false, "fix"],
  invalid_argument: [false, "fix"],
  rate_limited: [true, "wait"],
  /** Nothing could be chosen on this platform: pass the option that the message names. */
  unsupported_platform: [false, "fix"],
  /** The relay refused in a way that this version has no remedy for. */
  relay_refused: [false, "report"],
  internal: [true, "report"],
} as const satisfies Readonly<Record<string, readonly [retryable: boolean, remedy: Remedy]>>;

export type TacitErrorCode = keyof typeof table;

export class TacitError extends Error {
  readonly code: TacitErrorCode;
  /** Whether the same may succeed later without the application doing anything. */
  readonly retryable: boolean;
  readonly remedy: Remedy;
  /** What the operator of the deployment can look up. */
  readonly requestId: string | undefined;

  constructor(
    code: TacitErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly requestId?: string | undefined } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "TacitError";
    this.code = code;
    [this.retryable, this.remedy] = table[code];
    this.requestId = options.requestId;
  }
}

export function isTacitError(error: unknown, code?: TacitErrorCode): error is TacitError {
  return error instanceof TacitError && (code === undefined || error.code === code);
}
