/** A cipher suite whose runs replay to the byte: seeded randomness, and signatures that take none. */
import { getCipherSuite, type CipherSuite } from "@tacit/mls";
import { nobleProvider } from "@tacit/mls/providers/noble";
import { nodeProvider } from "@tacit/mls/providers/node";
import { seededRandom } from "../../mls/world.ts";

export function replayableSuite(id: number, seed: string): CipherSuite {
  const random = seededRandom(seed);
  const provider = nodeProvider({ random });
  const ecdsa = provider.signatures["ECDSA-P256-SHA256"];
  // node:crypto salts ECDSA; RFC 6979, which noble follows, does not.
  const { sign, generate } = nobleProvider({ random }).signatures["ECDSA-P256-SHA256"];
  return getCipherSuite(id, {
    ...provider,
    signatures: { ...provider.signatures, "ECDSA-P256-SHA256": { ...ecdsa, sign, generate } },
  });
}
