/** Families that play a whole group: message protection, Welcome, and members that follow what others recorded. */
import {
  epochAuthenticator,
  joinGroup,
  processMessage,
  type AuthenticationService,
  type CipherSuite,
  type GroupState,
  type PskLookup,
} from "@tacit/mls";
import { decode } from "../../../mls/src/codec.ts";
import { readCommit, writeCommit } from "../../../mls/src/commit.ts";
import { encode } from "../../../mls/src/codec.ts";
import { equalBytes } from "../../../mls/src/equalBytes.ts";
import {
  framedContentTbs,
  signContent,
  verifyContent,
  type Content,
  type ContentAuth,
  type FramedContent,
  type MessageWireFormat,
} from "../../../mls/src/framing.ts";
import { encodeGroupContext } from "../../../mls/src/groupContext.ts";
import { readGroupInfo, verifyGroupInfo } from "../../../mls/src/groupInfo.ts";
import { keyPackageRef } from "../../../mls/src/keyPackage.ts";
import { deriveNewEpoch, deriveWelcomeSecret } from "../../../mls/src/keySchedule.ts";
import { decodeMlsMessage } from "../../../mls/src/mlsMessage.ts";
import { openPrivateMessage, sealPrivateMessage } from "../../../mls/src/privateMessage.ts";
import { readProposal, writeProposal } from "../../../mls/src/proposal.ts";
import { derivePskSecret } from "../../../mls/src/psk.ts";
import { membershipTag } from "../../../mls/src/publicMessage.ts";
import { createSecretTree } from "../../../mls/src/secretTree.ts";
import { readGroupSecrets, welcomeKeys } from "../../../mls/src/welcome.ts";
import { bytes, describeVectors, hex } from "./vectors.ts";

/** The vectors' clients are strangers, and some have no distinct names. */
const authentication: AuthenticationService = {
  authenticate: () => true,
  identity: (_credential, signatureKey) => hex(signatureKey),
  isSuccessor: () => true,
};

interface MessageProtectionCase extends Record<
  | "group_id"
  | "tree_hash"
  | "confirmed_transcript_hash"
  | "signature_priv"
  | "signature_pub"
  | "encryption_secret"
  | "sender_data_secret"
  | "membership_key"
  | "proposal"
  | "proposal_priv"
  | "proposal_pub"
  | "commit"
  | "commit_priv"
  | "commit_pub"
  | "application"
  | "application_priv",
  string
> {
  cipher_suite: number;
  epoch: number;
}

const strict = { skippedKeys: 0, forwardLimit: 1000, pastEpochs: 0, resumptionPsks: 0 };

describeVectors<MessageProtectionCase>("message-protection", async (suite, vector) => {
  const context = encodeGroupContext({
    cipherSuite: suite.id,
    groupId: bytes(vector.group_id),
    epoch: BigInt(vector.epoch),
    treeHash: bytes(vector.tree_hash),
    confirmedTranscriptHash: bytes(vector.confirmed_transcript_hash),
    extensions: [],
  });
  const protection = () => ({
    senderDataSecret: bytes(vector.sender_data_secret),
    secretTree: createSecretTree(bytes(vector.encryption_secret), 2),
    config: strict,
  });
  const verify = async (format: MessageWireFormat, framed: FramedContent, auth: ContentAuth): Promise<void> => {
    const tbs = framedContentTbs(format, framed, context);
    expect(await verifyContent(suite, bytes(vector.signature_pub), tbs, auth.signature)).toBe(true);
  };
  const encoded = (content: Content): string => {
    if (content.contentType === "proposal") return hex(encode(writeProposal, content.proposal));
    return content.contentType === "commit" ? hex(encode(writeCommit, content.commit)) : hex(content.applicationData);
  };
  const openPrivate = async (message: Uint8Array, expected: string): Promise<void> => {
    const decoded = decodeMlsMessage(message);
    if (decoded.wireFormat !== "privateMessage") throw new Error("not a private message");
    const opened = openPrivateMessage(suite, protection(), decoded.privateMessage, (leaf) => expect(leaf).toBe(1));
    expect(encoded(opened.framed.content)).toBe(expected);
    await verify("privateMessage", opened.framed, opened.auth);
  };
  const openPublic = async (message: Uint8Array, expected: string): Promise<void> => {
    const decoded = decodeMlsMessage(message);
    if (decoded.wireFormat !== "publicMessage") throw new Error("not a public message");
    const { framed, auth, membershipTag: tag } = decoded.publicMessage;
    const tbs = framedContentTbs("publicMessage", framed, context);
    expect(hex(tag as Uint8Array)).toBe(hex(membershipTag(suite, bytes(vector.membership_key), tbs, auth)));
    expect(encoded(framed.content)).toBe(expected);
    await verify("publicMessage", framed, auth);
  };
  await openPrivate(bytes(vector.proposal_priv), vector.proposal);
  await openPublic(bytes(vector.proposal_pub), vector.proposal);
  await openPrivate(bytes(vector.commit_priv), vector.commit);
  await openPublic(bytes(vector.commit_pub), vector.commit);
  await openPrivate(bytes(vector.application_priv), vector.application);

  const contents: Content[] = [
    { contentType: "proposal", proposal: decode(readProposal, bytes(vector.proposal)) },
    { contentType: "commit", commit: decode(readCommit, bytes(vector.commit)) },
    { contentType: "application", applicationData: bytes(vector.application) },
  ];
  for (const content of contents) {
    const framed: FramedContent = {
      groupId: bytes(vector.group_id),
      epoch: BigInt(vector.epoch),
      sender: { type: "member", leafIndex: 1 },
      authenticatedData: new Uint8Array([1, 2, 3]),
      content,
    };
    const tbs = framedContentTbs("privateMessage", framed, context);
    const signature = await signContent(suite, bytes(vector.signature_priv), tbs);
    const auth = content.contentType === "commit" ? { signature, confirmationTag: bytes("00ff") } : { signature };
    const { message } = sealPrivateMessage(suite, protection(), framed, auth, 10);
    const opened = openPrivateMessage(suite, protection(), message, () => undefined);
    expect(opened.framed).toEqual(framed);
    await verify("privateMessage", opened.framed, opened.auth);
  }
});

interface WelcomeCase {
  cipher_suite: number;
  init_priv: string;
  key_package: string;
  signer_pub: string;
  welcome: string;
}

describeVectors<WelcomeCase>("welcome", async (suite, vector) => {
  const message = decodeMlsMessage(bytes(vector.welcome));
  const packaged = decodeMlsMessage(bytes(vector.key_package));
  if (message.wireFormat !== "welcome" || packaged.wireFormat !== "keyPackage") throw new Error("unexpected message");
  const { welcome } = message;
  const { keyPackage } = packaged;
  const ref = keyPackageRef(suite, keyPackage);
  const entry = welcome.secrets.find(({ newMember }) => equalBytes(newMember, ref));
  if (entry === undefined) throw new Error("the Welcome does not name the key package");
  const secrets = decode(
    readGroupSecrets,
    await suite.decryptWithLabel(
      bytes(vector.init_priv),
      keyPackage.initKey,
      "Welcome",
      welcome.encryptedGroupInfo,
      entry.encryptedGroupSecrets,
    ),
  );
  const pskSecret = derivePskSecret(suite, []);
  const { key, nonce } = welcomeKeys(suite, deriveWelcomeSecret(suite, secrets.joinerSecret, pskSecret));
  const groupInfo = decode(readGroupInfo, suite.open(key, nonce, new Uint8Array(0), welcome.encryptedGroupInfo));
  expect(await verifyGroupInfo(suite, groupInfo, bytes(vector.signer_pub))).toBe(true);
  const context = encodeGroupContext(groupInfo.groupContext);
  const epoch = deriveNewEpoch(suite, secrets.joinerSecret, derivePskSecret(suite, []), context);
  const tag = suite.mac(epoch.secrets.confirmationKey, groupInfo.groupContext.confirmedTranscriptHash);
  expect(hex(groupInfo.confirmationTag)).toBe(hex(tag));
});

interface PassiveClientCase {
  cipher_suite: number;
  external_psks: { psk_id: string; psk: string }[];
  key_package: string;
  signature_priv: string;
  encryption_priv: string;
  init_priv: string;
  welcome: string;
  ratchet_tree: string | null;
  initial_epoch_authenticator: string;
  epochs: { proposals: string[]; commit: string; epoch_authenticator: string }[];
}

async function follow(suite: CipherSuite, vector: PassiveClientCase): Promise<void> {
  const psks: PskLookup = (id) => {
    if (id.type !== "external") return undefined;
    const found = vector.external_psks.find(({ psk_id }) => psk_id === hex(id.pskId));
    return found === undefined ? undefined : bytes(found.psk);
  };
  const packaged = decodeMlsMessage(bytes(vector.key_package));
  if (packaged.wireFormat !== "keyPackage") throw new Error("unexpected message");
  const joined = await joinGroup({
    suite,
    welcome: bytes(vector.welcome),
    keyPackage: packaged.keyPackage,
    privateKeys: {
      initPrivateKey: bytes(vector.init_priv),
      encryptionPrivateKey: bytes(vector.encryption_priv),
      signaturePrivateKey: bytes(vector.signature_priv),
    },
    ...(vector.ratchet_tree === null ? {} : { ratchetTree: bytes(vector.ratchet_tree) }),
    psks,
    authentication,
    config: { ...strict, resumptionPsks: 10 },
  });
  let state: GroupState = joined.state;
  expect(hex(epochAuthenticator(state))).toBe(vector.initial_epoch_authenticator);
  for (const epoch of vector.epochs) {
    for (const proposal of epoch.proposals) {
      state = (await processMessage(state, bytes(proposal), { authentication, psks })).state;
    }
    const outcome = await processMessage(state, bytes(epoch.commit), { authentication, psks });
    expect(outcome.kind).toBe("commit");
    state = outcome.state;
    expect(hex(epochAuthenticator(state))).toBe(epoch.epoch_authenticator);
  }
}

describeVectors<PassiveClientCase>("passive-client-welcome", follow);
describeVectors<PassiveClientCase>("passive-client-handling-commit", follow);
