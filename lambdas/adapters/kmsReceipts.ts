/** Receipts signed by a key in KMS, which nobody can take out of it. https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html */
import { GetPublicKeyCommand, KMSClient, SignCommand } from "@aws-sdk/client-kms";
import { encodeBase64Url } from "@tacit/protocol";
import type { Receipts } from "../ports.ts";
import { maxAttempts, requestHandler } from "./awsClients.ts";

export function kmsReceipts(keyId: string): Receipts {
  let client: KMSClient | undefined;
  // Most instances never sign, and those that do need it for a moment: a client is made when it is needed.
  const kms = () => (client ??= new KMSClient({ maxAttempts, requestHandler }));
  let publicKey: Promise<string> | undefined;

  async function askKey(): Promise<string> {
    const { PublicKey } = await kms().send(new GetPublicKeyCommand({ KeyId: keyId }));
    if (PublicKey === undefined) throw new Error("kms: no public key");
    return encodeBase64Url(rawEd25519(PublicKey));
  }

  return {
    async sign(message) {
      const { Signature } = await kms().send(
        new SignCommand({ KeyId: keyId, Message: message, MessageType: "RAW", SigningAlgorithm: "ED25519_SHA_512" }),
      );
      if (Signature?.length !== 64) throw new Error("kms: no Ed25519 signature");
      return encodeBase64Url(Signature);
    },
    key() {
      // Asked once; where that fails, by whoever needs it next.
      publicKey ??= askKey().catch((error: unknown) => {
        publicKey = undefined;
        throw error;
      });
      return publicKey;
    },
  };
}

/** What stands before the 32 bytes in a SubjectPublicKeyInfo of Ed25519 (RFC 8410, section 4). */
const spkiPrefix = "302a300506032b6570032100";

/** @throws Error where the key in KMS is of another kind: a fault of the deployment */
export function rawEd25519(spki: Uint8Array): Uint8Array {
  const prefix = Buffer.from(spki.subarray(0, spkiPrefix.length / 2)).toString("hex");
  if (prefix !== spkiPrefix || spki.length !== spkiPrefix.length / 2 + 32) throw new Error("kms: not an Ed25519 key");
  return spki.subarray(spkiPrefix.length / 2);
}
