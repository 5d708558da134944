/** The key schedule: RFC 9420, sections 8, 8.5 and 8.7. */
import type { CipherSuite } from "./cipherSuite.ts";

/** What one epoch needs until it ends. The encryption secret becomes the secret tree and is not kept. */
export interface EpochSecrets {
  readonly senderDataSecret: Uint8Array;
  readonly exporterSecret: Uint8Array;
  readonly externalSecret: Uint8Array;
  readonly confirmationKey: Uint8Array;
  readonly membershipKey: Uint8Array;
  readonly resumptionPsk: Uint8Array;
  readonly epochAuthenticator: Uint8Array;
  /** For the next epoch. */
  readonly initSecret: Uint8Array;
}

export interface NewEpoch {
  readonly secrets: EpochSecrets;
  readonly encryptionSecret: Uint8Array;
}

export function deriveJoinerSecret(
  suite: CipherSuite,
  initSecret: Uint8Array,
  commitSecret: Uint8Array,
  groupContext: Uint8Array,
): Uint8Array {
  const extracted = suite.extract(initSecret, commitSecret);
  const joinerSecret = suite.expandWithLabel(extracted, "joiner", groupContext, suite.hashLength);
  extracted.fill(0);
  return joinerSecret;
}

export function deriveWelcomeSecret(suite: CipherSuite, joinerSecret: Uint8Array, pskSecret: Uint8Array): Uint8Array {
  const member = suite.extract(joinerSecret, pskSecret);
  const welcomeSecret = suite.deriveSecret(member, "welcome");
  member.fill(0);
  return welcomeSecret;
}

export function deriveNewEpoch(
  suite: CipherSuite,
  joinerSecret: Uint8Array,
  pskSecret: Uint8Array,
  groupContext: Uint8Array,
): NewEpoch {
  const member = suite.extract(joinerSecret, pskSecret);
  const epochSecret = suite.expandWithLabel(member, "epoch", groupContext, suite.hashLength);
  member.fill(0);
  return deriveEpochSecrets(suite, epochSecret);
}

/** Takes over (and wipes) the epoch secret. */
export function deriveEpochSecrets(suite: CipherSuite, epochSecret: Uint8Array): NewEpoch {
  const derive = (label: string): Uint8Array => suite.deriveSecret(epochSecret, label);
  const epoch: NewEpoch = {
    encryptionSecret: derive("encryption"),
    secrets: {
      senderDataSecret: derive("sender data"),
      exporterSecret: derive("exporter"),
      externalSecret: derive("external"),
      confirmationKey: derive("confirm"),
      membershipKey: derive("membership"),
      resumptionPsk: derive("resumption"),
      epochAuthenticator: derive("authentication"),
      initSecret: derive("init"),
    },
  };
  epochSecret.fill(0);
  return epoch;
}

/** Section 8.5. */
export function deriveExported(
  suite: CipherSuite,
  exporterSecret: Uint8Array,
  label: string,
  context: Uint8Array,
  length: number,
): Uint8Array {
  const derived = suite.deriveSecret(exporterSecret, label);
  const exported = suite.expandWithLabel(derived, "exported", suite.hash(context), length);
  derived.fill(0);
  return exported;
}
