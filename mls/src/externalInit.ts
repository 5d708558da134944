/** External initialisation: RFC 9420, section 8.3. */
import type { CipherSuite, KeyPair, MaybePromise } from "./cipherSuite.ts";
import { MlsError } from "./mlsError.ts";
import { invalid } from "./failure.ts";

const exporterContext = new TextEncoder().encode("MLS 1.0 external init secret");
const info = new Uint8Array(0);

/** Section 8: the key pair whose public part is published as external_pub. */
export function externalKeyPair(suite: CipherSuite, externalSecret: Uint8Array): MaybePromise<KeyPair> {
  return suite.deriveKeyPair(externalSecret);
}

export async function sendExternalInit(
  suite: CipherSuite,
  externalPub: Uint8Array,
): Promise<{ readonly kemOutput: Uint8Array; readonly initSecret: Uint8Array }> {
  const { kemOutput, secret } = await suite.hpkeExportSender(externalPub, info, exporterContext, suite.hashLength);
  return { kemOutput, initSecret: secret };
}

/** All members have the same external key, so a failure is everyone's. */
export async function receiveExternalInit(
  suite: CipherSuite,
  externalSecret: Uint8Array,
  kemOutput: Uint8Array,
): Promise<Uint8Array> {
  const keyPair = await externalKeyPair(suite, externalSecret);
  try {
    return await suite.hpkeExportReceiver(
      keyPair.privateKey,
      keyPair.publicKey,
      kemOutput,
      info,
      exporterContext,
      suite.hashLength,
    );
  } catch (error) {
    if (error instanceof MlsError)
      throw invalid("external_init_invalid", "the KEM output of an external commit is bad");
    throw error;
  } finally {
    keyPair.privateKey.fill(0);
  }
}
