/**
 * The application's side of RFC 9420, section 5.3.1 (the Authentication Service of RFC 9750): whether a credential is
 * acceptable, and which client it names. The hooks must depend on their arguments alone, so that all members decide alike.
 */
import type { MaybePromise } from "./cipherSuite.ts";
import type { Credential } from "./credential.ts";
import type { GroupContext } from "./groupContext.ts";

export interface AuthenticationContext {
  /** `keyPackage`: no group yet. `member`: a leaf of this group. `externalSender`: an entry of its external_senders. */
  readonly role: "keyPackage" | "member" | "externalSender";
  /** The group in which the credential appears, as it is after the change under consideration. */
  readonly groupContext?: GroupContext;
}

export interface AuthenticationService {
  /**
   * Does this credential vouch for this signature key? `false` makes the input invalid for everyone; a throw passes
   * through unchanged, and nothing was decided.
   */
  authenticate(credential: Credential, signatureKey: Uint8Array, context: AuthenticationContext): MaybePromise<boolean>;
  /**
   * A string naming the client behind a credential. Two leaves with the same identity may not be in a group at once.
   * Return a distinct value per signature key to allow it. Called once per credential object, then cached.
   */
  identity(credential: Credential, signatureKey: Uint8Array): string;
  /** May `next` replace `current` in a leaf? Without this hook: exactly if their identities are equal. */
  isSuccessor?(current: Credential, next: Credential): MaybePromise<boolean>;
}
