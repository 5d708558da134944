/** From a commit to the next epoch's secrets: the end of RFC 9420, sections 12.4.1 and 12.4.2. */
import type { CipherSuite } from "./cipherSuite.ts";
import { confirmedTranscriptHash, interimTranscriptHash } from "./transcript.ts";
import type { AuthenticatedContent } from "./framing.ts";
import { encodeGroupContext, type GroupContext } from "./groupContext.ts";
import { deriveJoinerSecret, deriveNewEpoch, type EpochSecrets } from "./keySchedule.ts";

export interface NextEpoch {
  readonly groupContext: GroupContext;
  readonly secrets: EpochSecrets;
  readonly encryptionSecret: Uint8Array;
  readonly joinerSecret: Uint8Array;
  readonly confirmationTag: Uint8Array;
  readonly interimTranscriptHash: Uint8Array;
}

export interface NextEpochInput {
  /** With the new epoch, tree hash and extensions, and the old confirmed transcript hash. */
  readonly provisional: GroupContext;
  readonly interimTranscriptHash: Uint8Array;
  readonly initSecret: Uint8Array;
  readonly commitSecret: Uint8Array;
  readonly pskSecret: Uint8Array;
  readonly commit: Pick<AuthenticatedContent, "wireFormat" | "framed"> & { readonly signature: Uint8Array };
}

export function deriveNextEpoch(suite: CipherSuite, input: NextEpochInput): NextEpoch {
  const confirmed = confirmedTranscriptHash(suite, input.interimTranscriptHash, input.commit);
  const groupContext: GroupContext = { ...input.provisional, confirmedTranscriptHash: confirmed };
  const context = encodeGroupContext(groupContext);
  const joinerSecret = deriveJoinerSecret(suite, input.initSecret, input.commitSecret, context);
  const { secrets, encryptionSecret } = deriveNewEpoch(suite, joinerSecret, input.pskSecret, context);
  const confirmationTag = suite.mac(secrets.confirmationKey, confirmed);
  return {
    groupContext,
    secrets,
    encryptionSecret,
    joinerSecret,
    confirmationTag,
    interimTranscriptHash: interimTranscriptHash(suite, confirmed, confirmationTag),
  };
}
