import * as mls from "@tacit/mls";
import { nodeProvider } from "@tacit/mls/providers/node";

export async function example(): Promise<string> {
  const suite = mls.getCipherSuite(mls.defaultCipherSuite, nodeProvider());
  const text = new TextEncoder();
  const read = new TextDecoder();

  // Your application decides whom a credential names, and whether it is to be believed.
  const authentication: mls.AuthenticationService = {
    authenticate: (credential, signatureKey) => credential.type === "basic" && signatureKey.length === 32,
    identity: (credential) => (credential.type === "basic" ? read.decode(credential.identity) : ""),
  };

  const now = BigInt(Math.floor(Date.now() / 1000));
  const newClient = async (name: string) =>
    mls.generateKeyPackage({
      suite,
      credential: { type: "basic", identity: text.encode(name) },
      signatureKeyPair: await suite.generateSignatureKeyPair(),
      lifetime: { notBefore: now - 3600n, notAfter: now + 90n * 86_400n },
    });
  const [alicesKeys, bobsKeys] = [await newClient("alice"), await newClient("bob")];

  // Alice opens a group and adds Bob, whose key package she got from a directory as `bobsKeys.bytes`.
  const group = await mls.createGroup({ suite, groupId: suite.random(32), ...alicesKeys, authentication });
  const keyPackage = mls.decodeKeyPackage(bobsKeys.bytes);
  const added = await mls.createCommit(group, {
    authentication,
    proposals: [{ type: "add", keyPackage }],
    ratchetTreeInWelcome: true,
    lifetime: { now },
  });
  const [welcome] = added.welcomes;
  if (welcome === undefined) throw new Error("a commit that adds somebody has a Welcome");
  // The delivery service took the commit: the next epoch is the one that counts.
  let alice = added.next;

  let { state: bob } = await mls.joinGroup({ suite, welcome: welcome.bytes, ...bobsKeys, authentication });

  // Store the new state before the message leaves, then wipe what was consumed.
  const sent = await mls.createMessage(alice, text.encode("hello, Bob"));
  alice = sent.state;
  for (const secret of sent.consumed) secret.fill(0);

  const received = await mls.processMessage(bob, sent.message, { authentication });
  bob = received.state;
  if (received.kind !== "application") throw new Error("expected a message");
  return read.decode(received.plaintext);
}
