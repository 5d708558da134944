/** Families of the primitives with labels, the key schedule, PSKs, transcripts and the secret tree. */
import { decode } from "../../../mls/src/codec.ts";
import { externalKeyPair } from "../../../mls/src/externalInit.ts";
import { readContentAuth, readFramedContent, type AuthenticatedContent } from "../../../mls/src/framing.ts";
import { encodeGroupContext } from "../../../mls/src/groupContext.ts";
import {
  deriveExported,
  deriveJoinerSecret,
  deriveNewEpoch,
  deriveWelcomeSecret,
} from "../../../mls/src/keySchedule.ts";
import { senderDataKeys } from "../../../mls/src/privateMessage.ts";
import { derivePskSecret } from "../../../mls/src/psk.ts";
import { createSecretTree, takeKey, type SecretTree } from "../../../mls/src/secretTree.ts";
import { confirmedTranscriptHash, interimTranscriptHash } from "../../../mls/src/transcript.ts";
import { bytes, describeVectors, hex } from "./vectors.ts";

interface CryptoBasics {
  cipher_suite: number;
  derive_secret: { label: string; out: string; secret: string };
  derive_tree_secret: { generation: number; label: string; length: number; out: string; secret: string };
  encrypt_with_label: Record<"ciphertext" | "context" | "kem_output" | "label" | "plaintext" | "priv" | "pub", string>;
  expand_with_label: { context: string; label: string; length: number; out: string; secret: string };
  ref_hash: { label: string; out: string; value: string };
  sign_with_label: Record<"content" | "label" | "priv" | "pub" | "signature", string>;
}

describeVectors<CryptoBasics>("crypto-basics", async (suite, vector) => {
  const derived = vector.derive_secret;
  expect(hex(suite.deriveSecret(bytes(derived.secret), derived.label))).toBe(derived.out);
  const tree = vector.derive_tree_secret;
  expect(hex(suite.deriveTreeSecret(bytes(tree.secret), tree.label, tree.generation, tree.length))).toBe(tree.out);
  const expanded = vector.expand_with_label;
  expect(
    hex(suite.expandWithLabel(bytes(expanded.secret), expanded.label, bytes(expanded.context), expanded.length)),
  ).toBe(expanded.out);
  const ref = vector.ref_hash;
  expect(hex(suite.refHash(ref.label, bytes(ref.value)))).toBe(ref.out);
  const signed = vector.sign_with_label;
  const [publicKey, content] = [bytes(signed.pub), bytes(signed.content)];
  expect(await suite.verifyWithLabel(publicKey, signed.label, content, bytes(signed.signature))).toBe(true);
  const again = await suite.signWithLabel(bytes(signed.priv), signed.label, content);
  expect(await suite.verifyWithLabel(publicKey, signed.label, content, again)).toBe(true);
  const sealed = vector.encrypt_with_label;
  const [priv, pub, context] = [bytes(sealed.priv), bytes(sealed.pub), bytes(sealed.context)];
  const ciphertext = { kemOutput: bytes(sealed.kem_output), ciphertext: bytes(sealed.ciphertext) };
  expect(hex(await suite.decryptWithLabel(priv, pub, sealed.label, context, ciphertext))).toBe(sealed.plaintext);
  const own = await suite.encryptWithLabel(pub, sealed.label, context, bytes(sealed.plaintext));
  expect(hex(await suite.decryptWithLabel(priv, pub, sealed.label, context, own))).toBe(sealed.plaintext);
});

interface Epoch extends Record<
  | "commit_secret"
  | "confirmation_key"
  | "confirmed_transcript_hash"
  | "encryption_secret"
  | "epoch_authenticator"
  | "exporter_secret"
  | "external_pub"
  | "external_secret"
  | "group_context"
  | "init_secret"
  | "joiner_secret"
  | "membership_key"
  | "psk_secret"
  | "resumption_psk"
  | "sender_data_secret"
  | "tree_hash"
  | "welcome_secret",
  string
> {
  exporter: { context: string; label: string; length: number; secret: string };
}

describeVectors<{ cipher_suite: number; epochs: Epoch[]; group_id: string; initial_init_secret: string }>(
  "key-schedule",
  async (suite, vector) => {
    let initSecret = bytes(vector.initial_init_secret);
    for (const [index, epoch] of vector.epochs.entries()) {
      const context = encodeGroupContext({
        cipherSuite: suite.id,
        groupId: bytes(vector.group_id),
        epoch: BigInt(index),
        treeHash: bytes(epoch.tree_hash),
        confirmedTranscriptHash: bytes(epoch.confirmed_transcript_hash),
        extensions: [],
      });
      expect(hex(context)).toBe(epoch.group_context);
      const joiner = deriveJoinerSecret(suite, initSecret, bytes(epoch.commit_secret), context);
      expect(hex(joiner)).toBe(epoch.joiner_secret);
      const psk = bytes(epoch.psk_secret);
      expect(hex(deriveWelcomeSecret(suite, joiner, psk))).toBe(epoch.welcome_secret);
      const { secrets, encryptionSecret } = deriveNewEpoch(suite, joiner, psk, context);
      expect(hex(encryptionSecret)).toBe(epoch.encryption_secret);
      expect(hex(secrets.initSecret)).toBe(epoch.init_secret);
      expect(hex(secrets.senderDataSecret)).toBe(epoch.sender_data_secret);
      expect(hex(secrets.exporterSecret)).toBe(epoch.exporter_secret);
      expect(hex(secrets.epochAuthenticator)).toBe(epoch.epoch_authenticator);
      expect(hex(secrets.externalSecret)).toBe(epoch.external_secret);
      expect(hex(secrets.confirmationKey)).toBe(epoch.confirmation_key);
      expect(hex(secrets.membershipKey)).toBe(epoch.membership_key);
      expect(hex(secrets.resumptionPsk)).toBe(epoch.resumption_psk);
      expect(hex((await externalKeyPair(suite, secrets.externalSecret)).publicKey)).toBe(epoch.external_pub);
      const { label, context: exporterContext, length, secret } = epoch.exporter;
      expect(hex(deriveExported(suite, secrets.exporterSecret, label, bytes(exporterContext), length))).toBe(secret);
      initSecret = secrets.initSecret;
    }
  },
);

interface PskCase {
  cipher_suite: number;
  psks: { psk_id: string; psk: string; psk_nonce: string }[];
  psk_secret: string;
}

describeVectors<PskCase>("psk_secret", (suite, vector) => {
  const psks = vector.psks.map(({ psk_id, psk, psk_nonce }) => ({
    id: { type: "external", pskId: bytes(psk_id), nonce: bytes(psk_nonce) } as const,
    secret: bytes(psk),
  }));
  expect(hex(derivePskSecret(suite, psks))).toBe(vector.psk_secret);
});

interface TranscriptCase extends Record<
  | "confirmation_key"
  | "authenticated_content"
  | "interim_transcript_hash_before"
  | "confirmed_transcript_hash_after"
  | "interim_transcript_hash_after",
  string
> {
  cipher_suite: number;
}

describeVectors<TranscriptCase>("transcript-hashes", (suite, vector) => {
  const content = decode((reader): AuthenticatedContent => {
    const wireFormat = reader.uint16() === 1 ? "publicMessage" : "privateMessage";
    const framed = readFramedContent(reader);
    return { wireFormat, framed, auth: readContentAuth(reader, framed.content.contentType) };
  }, bytes(vector.authenticated_content));
  const confirmed = confirmedTranscriptHash(suite, bytes(vector.interim_transcript_hash_before), {
    ...content,
    signature: content.auth.signature,
  });
  expect(hex(confirmed)).toBe(vector.confirmed_transcript_hash_after);
  const tag = suite.mac(bytes(vector.confirmation_key), confirmed);
  expect(hex(content.auth.confirmationTag as Uint8Array)).toBe(hex(tag));
  expect(hex(interimTranscriptHash(suite, confirmed, tag))).toBe(vector.interim_transcript_hash_after);
});

interface SecretTreeCase {
  cipher_suite: number;
  encryption_secret: string;
  sender_data: Record<"sender_data_secret" | "ciphertext" | "key" | "nonce", string>;
  leaves: ({ generation: number } & Record<
    "application_key" | "application_nonce" | "handshake_key" | "handshake_nonce",
    string
  >)[][];
}

describeVectors<SecretTreeCase>("secret-tree", (suite, vector) => {
  const data = vector.sender_data;
  const keys = senderDataKeys(suite, bytes(data.sender_data_secret), bytes(data.ciphertext));
  expect([hex(keys.key), hex(keys.nonce)]).toEqual([data.key, data.nonce]);
  const config = { skippedKeys: 0, forwardLimit: 1000, pastEpochs: 0, resumptionPsks: 0 };
  let tree: SecretTree = createSecretTree(bytes(vector.encryption_secret), vector.leaves.length);
  for (const [leafIndex, generations] of vector.leaves.entries()) {
    for (const expected of generations) {
      const application = takeKey(suite, tree, leafIndex, "application", expected.generation, config);
      const handshake = takeKey(suite, application.tree, leafIndex, "handshake", expected.generation, config);
      tree = handshake.tree;
      expect(hex(application.key)).toBe(expected.application_key);
      expect(hex(application.nonce)).toBe(expected.application_nonce);
      expect(hex(handshake.key)).toBe(expected.handshake_key);
      expect(hex(handshake.nonce)).toBe(expected.handshake_nonce);
    }
  }
});
