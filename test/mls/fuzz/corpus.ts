/** One valid piece of everything that is decoded, from a group that has lived a little. */
import {
  createCommit,
  createGroupInfo,
  createMessage,
  createProposal,
  encodeEpoch,
  encodeKeyPackagePrivate,
  encodeRatchets,
  encodeRatchetTree,
  lenientConfig,
  processMessage,
  reinitProposal,
  requiredCapabilitiesExtension,
  type CreatedCommit,
  type GroupState,
} from "@tacit/mls";
import { createExternalProposal, createNewMemberProposal, externalSendersExtension, joinExternally } from "@tacit/mls";
import {
  add,
  authentication,
  commit,
  leafOf,
  newClient,
  newWorld,
  stateOf,
  testSuite,
  text,
  type Client,
} from "../world.ts";

export interface Corpus {
  /** Of each wire format and content, in the epoch of `receiver`; none of them its own. */
  readonly messages: readonly Uint8Array[];
  readonly receiver: GroupState;
  /** Who is added by `added`, and has not joined. */
  readonly joiner: Client;
  readonly added: CreatedCommit;
  readonly ratchetTree: Uint8Array;
  readonly groupInfo: Uint8Array;
  readonly keyPackages: readonly Uint8Array[];
  readonly privateKeys: Uint8Array;
  readonly storedEpoch: Uint8Array;
  readonly storedRatchets: readonly (readonly [key: string, bytes: Uint8Array])[];
}

export async function makeCorpus(suiteId = 0x0001): Promise<Corpus> {
  const suite = testSuite(suiteId, "fuzzing");
  const service = await suite.generateSignatureKeyPair();
  const external = {
    signatureKey: service.publicKey,
    credential: { type: "basic", identity: text("service") },
  } as const;
  const extensions = [
    externalSendersExtension([external]),
    requiredCapabilitiesExtension({ extensions: [], proposals: [], credentials: [1] }),
  ];
  const world = await newWorld(suite, "alice", { config: lenientConfig, extensions });
  await add(world, "alice", ["bob", "carol", "dave", "erin"]);
  await commit(world, "carol");
  await commit(world, "dave", { proposals: [{ type: "remove", removed: leafOf(world, "erin") }] });
  const alice = stateOf(world, "alice");
  const joiner = await newClient(suite, "frank", { lastResort: true });
  const added = await createCommit(alice, {
    authentication,
    privateMessage: false,
    proposals: [
      { type: "add", keyPackage: joiner.keyPackage },
      { type: "remove", removed: leafOf(world, "dave") },
    ],
    ratchetTreeInWelcome: true,
  });
  const options = { authentication, privateMessage: false };
  const { groupContext } = alice.epoch;
  const groupInfo = await createGroupInfo(alice, { ratchetTree: true });
  const stranger = await joinExternally({
    suite,
    groupInfo,
    credential: { type: "basic", identity: text("grace") },
    signatureKeyPair: await suite.generateSignatureKeyPair(),
    authentication,
  });
  const heidi = await newClient(suite, "heidi");
  const proposals = [
    await createProposal(alice, { type: "update" }, options),
    await createProposal(alice, { type: "update" }, { authentication }),
    await createProposal(alice, { type: "remove", removed: leafOf(world, "dave") }, options),
    await createProposal(alice, reinitProposal(text("next"), suite.id, []), options),
    await createProposal(alice, { type: "groupContextExtensions", extensions: [] }, options),
    await createProposal(
      alice,
      { type: "psk", id: { type: "external", pskId: text("id"), nonce: suite.random(suite.hashLength) } },
      options,
    ),
  ];
  const said = await createMessage(alice, text("hello"), { authenticatedData: text("data"), padding: 16 });
  const { groupId, epoch } = groupContext;
  const messages = [
    added.commit,
    (await createCommit(alice, { authentication })).commit,
    stranger.commit,
    ...proposals.map(({ message }) => message),
    said.message,
    await createExternalProposal({
      suite,
      groupId,
      epoch,
      senderIndex: 0,
      signaturePrivateKey: service.privateKey,
      proposal: { type: "add", keyPackage: heidi.keyPackage },
    }),
    await createNewMemberProposal({
      suite,
      groupId,
      epoch,
      keyPackage: heidi.keyPackage,
      signaturePrivateKey: heidi.privateKeys.signaturePrivateKey,
    }),
  ];
  const receiver = (await processMessage(stateOf(world, "bob"), said.message, { authentication })).state;
  const pending = await processMessage(receiver, proposals[0]?.message as Uint8Array, { authentication });
  return {
    messages: [...messages, (await createMessage(said.state, text("hello again"))).message],
    receiver: pending.state,
    joiner,
    added,
    ratchetTree: encodeRatchetTree(added.next),
    groupInfo,
    keyPackages: [joiner.bytes, heidi.bytes],
    privateKeys: encodeKeyPackagePrivate(joiner.privateKeys),
    storedEpoch: encodeEpoch(pending.state),
    storedRatchets: encodeRatchets(pending.state).map(({ key, bytes }) => [key, bytes as Uint8Array] as const),
  };
}
