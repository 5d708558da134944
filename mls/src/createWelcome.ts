/** Making Welcome messages: RFC 9420, section 12.4.3.1. */
import type { CipherSuite } from "./cipherSuite.ts";
import { encode } from "./codec.ts";
import { writeGroupInfo, type GroupInfo } from "./groupInfo.ts";
import { deriveWelcomeSecret } from "./keySchedule.ts";
import { encodeMlsMessage } from "./mlsMessage.ts";
import type { AddedMember } from "./proposalList.ts";
import type { PreSharedKeyId } from "./psk.ts";
import type { OwnPath } from "./treeKem.ts";
import { covers } from "./treeMath.ts";
import { welcomeKeys, welcomeLabel, writeGroupSecrets, type EncryptedGroupSecrets } from "./welcome.ts";

/** Which Welcome messages a commit with Adds makes: one for all, or one for each. */
export type WelcomeMode = "shared" | "separate";

export interface WelcomeMessage {
  /** An MLSMessage. */
  readonly bytes: Uint8Array;
  readonly newMembers: readonly { readonly leafIndex: number; readonly keyPackageRef: Uint8Array }[];
}

export interface WelcomeInput {
  readonly groupInfo: GroupInfo;
  readonly joinerSecret: Uint8Array;
  readonly pskSecret: Uint8Array;
  readonly psks: readonly PreSharedKeyId[];
  readonly added: readonly AddedMember[];
  readonly path: OwnPath | undefined;
  readonly mode: WelcomeMode;
}

/** The secret of the lowest node that the committer shares with the new member. */
function pathSecretFor(path: OwnPath | undefined, leafIndex: number): Uint8Array | undefined {
  return path?.pathSecrets[path.steps.findIndex((step) => covers(step.copath, leafIndex))];
}

export async function createWelcomes(suite: CipherSuite, input: WelcomeInput): Promise<WelcomeMessage[]> {
  if (input.added.length === 0) return [];
  const { joinerSecret, psks } = input;
  const welcomeSecret = deriveWelcomeSecret(suite, joinerSecret, input.pskSecret);
  const keys = welcomeKeys(suite, welcomeSecret);
  welcomeSecret.fill(0);
  const encryptedGroupInfo = suite.seal(
    keys.key,
    keys.nonce,
    new Uint8Array(0),
    encode(writeGroupInfo, input.groupInfo),
  );
  const secrets = await Promise.all(
    input.added.map(async (member): Promise<EncryptedGroupSecrets> => {
      const pathSecret = pathSecretFor(input.path, member.leafIndex);
      const groupSecrets = encode(
        writeGroupSecrets,
        pathSecret === undefined ? { joinerSecret, psks } : { joinerSecret, psks, pathSecret },
      );
      const encryptedGroupSecrets = await suite.encryptWithLabel(
        member.initKey,
        welcomeLabel,
        encryptedGroupInfo,
        groupSecrets,
      );
      groupSecrets.fill(0);
      return { newMember: member.keyPackageRef, encryptedGroupSecrets };
    }),
  );
  keys.key.fill(0);
  const messages = input.mode === "shared" ? [input.added] : input.added.map((member) => [member]);
  return messages.map((members) => ({
    bytes: encodeMlsMessage({
      wireFormat: "welcome",
      welcome: {
        cipherSuite: suite.id,
        secrets: members.map((member) => secrets[input.added.indexOf(member)] as EncryptedGroupSecrets),
        encryptedGroupInfo,
      },
    }),
    newMembers: members.map(({ leafIndex, keyPackageRef }) => ({ leafIndex, keyPackageRef })),
  }));
}
