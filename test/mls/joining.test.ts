/** What a joiner checks: RFC 9420, sections 7.3, 7.9.2 and 12.4.3.1. Named by section. */
import {
  createCommit,
  encodeRatchetTree,
  extensionTypes,
  findExtension,
  joinGroup,
  MlsError,
  type CreatedCommit,
  type Extension,
  type GroupState,
  type JoinGroupOptions,
  type LeafNode,
} from "@tacit/mls";
import { decode, encode } from "../../mls/src/codec.ts";
import { readGroupInfo, signGroupInfo, writeGroupInfo, type GroupInfo } from "../../mls/src/groupInfo.ts";
import { deriveWelcomeSecret } from "../../mls/src/keySchedule.ts";
import { decodeMlsMessage, encodeMlsMessage } from "../../mls/src/mlsMessage.ts";
import { derivePskSecret } from "../../mls/src/psk.ts";
import { decodeTree, draftOf, encodeTree, type ParentNode, type TreeDraft } from "../../mls/src/ratchetTree.ts";
import { rootHash } from "../../mls/src/treeHash.ts";
import { updateOwnPath } from "../../mls/src/treeKem.ts";
import { validateTree } from "../../mls/src/treeValidation.ts";
import { readGroupSecrets, welcomeKeys, writeGroupSecrets, type GroupSecrets } from "../../mls/src/welcome.ts";
import {
  add,
  authentication,
  commit,
  expectAgreement,
  join,
  lifetime,
  newClient,
  newWorld,
  now,
  stateOf,
  testSuite,
  text,
  type Client,
  type World,
} from "./world.ts";

const suite = testSuite();

let world: World;
let alice: GroupState;
let dave: Client;
let created: CreatedCommit;

beforeEach(async () => {
  world = await newWorld(suite);
  await add(world, "alice", ["bob", "carol"]);
  alice = stateOf(world, "alice");
  dave = await newClient(suite, "dave");
  created = await createCommit(alice, { authentication, proposals: [{ type: "add", keyPackage: dave.keyPackage }] });
});

interface Retouch {
  readonly info?: (info: GroupInfo) => GroupInfo;
  readonly secrets?: (secrets: GroupSecrets) => GroupSecrets;
  /** Leaves the GroupInfo's signature as it was. */
  readonly keepSignature?: boolean;
  /** Default: Alice's. */
  readonly signatureKey?: Uint8Array;
}

/** Opens Dave's Welcome with his keys, changes it, and seals it again: what a malicious adder can do. */
async function retouched({ info, secrets, keepSignature = false, signatureKey }: Retouch): Promise<Uint8Array> {
  const message = decodeMlsMessage(created.welcomes[0]?.bytes as Uint8Array);
  if (message.wireFormat !== "welcome") throw new Error("not a Welcome");
  const { welcome } = message;
  const entry = welcome.secrets[0];
  if (entry === undefined) throw new Error("an empty Welcome");
  const opened = await suite.decryptWithLabel(
    dave.privateKeys.initPrivateKey,
    dave.keyPackage.initKey,
    "Welcome",
    welcome.encryptedGroupInfo,
    entry.encryptedGroupSecrets,
  );
  const groupSecrets = decode(readGroupSecrets, opened);
  const welcomeSecret = deriveWelcomeSecret(suite, groupSecrets.joinerSecret, derivePskSecret(suite, []));
  const { key, nonce } = welcomeKeys(suite, welcomeSecret);
  const empty = new Uint8Array(0);
  const groupInfo = decode(readGroupInfo, suite.open(key, nonce, empty, welcome.encryptedGroupInfo));
  const changed = info?.(groupInfo) ?? groupInfo;
  const signed = keepSignature
    ? changed
    : await signGroupInfo(suite, changed, signatureKey ?? alice.epoch.signaturePrivateKey);
  const encryptedGroupInfo = suite.seal(key, nonce, empty, encode(writeGroupInfo, signed));
  const encryptedGroupSecrets = await suite.encryptWithLabel(
    dave.keyPackage.initKey,
    "Welcome",
    encryptedGroupInfo,
    encode(writeGroupSecrets, secrets?.(groupSecrets) ?? groupSecrets),
  );
  return encodeMlsMessage({
    wireFormat: "welcome",
    welcome: {
      cipherSuite: welcome.cipherSuite,
      secrets: [{ newMember: entry.newMember, encryptedGroupSecrets }],
      encryptedGroupInfo,
    },
  });
}

async function attempt(options: Partial<JoinGroupOptions> = {}): Promise<GroupState> {
  const joined = await joinGroup({
    suite,
    welcome: created.welcomes[0]?.bytes as Uint8Array,
    keyPackage: dave.keyPackage,
    privateKeys: dave.privateKeys,
    ratchetTree: encodeRatchetTree(created.next),
    authentication,
    ...options,
  });
  return joined.state;
}

async function refused(options: Partial<JoinGroupOptions>, code: string): Promise<void> {
  const error = await attempt(options).then(
    () => new Error("joined"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(MlsError);
  expect(error).toMatchObject({ code });
}

test("a Welcome opened and sealed again without a change is accepted", async () => {
  expect((await attempt({ welcome: await retouched({}) })).epoch.ownLeafIndex).toBe(3);
});

describe("section 12.4.3.1: joining by a Welcome", () => {
  test("for somebody else, or of another suite", async () => {
    const erin = await newClient(suite, "erin");
    await refused({ keyPackage: erin.keyPackage, privateKeys: erin.privateKeys }, "welcome_not_for_us");
    await refused({ suite: testSuite(3) }, "unsupported");
    await refused({ welcome: dave.bytes }, "invalid_argument");
  });

  test("that says another cipher suite than the key package and the group have", async () => {
    const message = decodeMlsMessage(created.welcomes[0]?.bytes as Uint8Array);
    if (message.wireFormat !== "welcome") throw new Error("not a Welcome");
    const welcome = (cipherSuite: number) =>
      encodeMlsMessage({ ...message, welcome: { ...message.welcome, cipherSuite } });
    for (const cipherSuite of [0x0002, 0x0003, 0xfafa]) {
      await refused({ welcome: welcome(cipherSuite) }, "unsupported");
    }
    expect((await attempt({ welcome: welcome(suite.id) })).epoch.ownLeafIndex).toBe(3);
  });

  test("with the wrong init key", async () => {
    const erin = await newClient(suite, "erin");
    await refused({ privateKeys: erin.privateKeys }, "hpke_failed");
  });

  test("one Welcome for each, or one for all; with the tree or without", async () => {
    const clients = await Promise.all(["erin", "frank", "gina"].map((name) => newClient(suite, name)));
    const proposals = clients.map(({ keyPackage }) => ({ type: "add", keyPackage }) as const);
    const separate = await createCommit(alice, {
      authentication,
      proposals,
      welcome: "separate",
      ratchetTreeInWelcome: true,
      groupInfoExtensions: [{ extensionType: 0xf1f1, data: text("more") }],
    });
    expect(separate.welcomes.map(({ newMembers }) => newMembers.length)).toEqual([1, 1, 1]);
    for (const [index, client] of clients.entries()) {
      const joined = await joinGroup({
        suite,
        welcome: separate.welcomes[index]?.bytes as Uint8Array,
        keyPackage: client.keyPackage,
        privateKeys: client.privateKeys,
        authentication,
      });
      expect(joined.signer).toBe(0);
      expect(findExtension(joined.groupInfoExtensions, 0xf1f1)?.data).toEqual(text("more"));
    }
    const shared = await commit(world, "bob", { proposals });
    expect(shared.welcomes.map(({ newMembers }) => newMembers.length)).toEqual([3]);
    for (const client of clients) await join(world, client, shared);
    expectAgreement(world);
  });

  test("without a path the joiners learn no path secret, and follow all the same", async () => {
    const without = await commit(world, "alice", {
      proposals: [{ type: "add", keyPackage: dave.keyPackage }],
      forcePath: false,
    });
    await join(world, dave, without);
    expect([...stateOf(world, "dave").epoch.pathKeys.keys()]).toEqual([6]);
    for (const name of ["bob", "dave", "alice"]) await commit(world, name);
    expectAgreement(world);
  });

  test("the tree: missing, of another epoch, or malformed", async () => {
    const options = { ratchetTree: encodeRatchetTree(alice) };
    await refused(options, "tree_hash_invalid");
    await refused({ ratchetTree: new Uint8Array([0]) }, "decode_failed");
    const { ratchetTree: _none, ...rest } = { ratchetTree: 0 };
    await expect(
      joinGroup({
        suite,
        welcome: created.welcomes[0]?.bytes as Uint8Array,
        keyPackage: dave.keyPackage,
        privateKeys: dave.privateKeys,
        authentication,
        ...rest,
      }),
    ).rejects.toMatchObject({ code: "ratchet_tree_missing" });
  });

  test("the GroupInfo: not signed by its signer, or by nobody", async () => {
    const other = (info: GroupInfo): GroupInfo => ({ ...info, signer: 1 });
    await refused({ welcome: await retouched({ info: other }) }, "group_info_signature_invalid");
    const nobody = (info: GroupInfo): GroupInfo => ({ ...info, signer: 77 });
    await refused({ welcome: await retouched({ info: nobody }) }, "unknown_member");
    const altered = (info: GroupInfo): GroupInfo => ({ ...info, extensions: [{ extensionType: 77, data: text("x") }] });
    await refused({ welcome: await retouched({ info: altered, keepSignature: true }) }, "group_info_signature_invalid");
  });

  test("the GroupInfo: of another suite, with a wrong tag, or of another transcript", async () => {
    const suiteless = (info: GroupInfo): GroupInfo => ({
      ...info,
      groupContext: { ...info.groupContext, cipherSuite: 3 },
    });
    await refused({ welcome: await retouched({ info: suiteless }) }, "group_info_invalid");
    const tagged = (info: GroupInfo): GroupInfo => ({ ...info, confirmationTag: new Uint8Array(32) });
    await refused({ welcome: await retouched({ info: tagged }) }, "confirmation_tag_invalid");
    const moved = (info: GroupInfo): GroupInfo => ({
      ...info,
      groupContext: { ...info.groupContext, confirmedTranscriptHash: new Uint8Array(32) },
    });
    await refused({ welcome: await retouched({ info: moved }) }, "confirmation_tag_invalid");
  });

  test("the GroupInfo: with a group extension that this client does not support (section 13.4)", async () => {
    const extended = (info: GroupInfo): GroupInfo => ({
      ...info,
      groupContext: { ...info.groupContext, extensions: [{ extensionType: 0xf0f0, data: text("x") }] },
    });
    await refused({ welcome: await retouched({ info: extended }) }, "capabilities_insufficient");
  });

  test("the joiner secret and the path secret must be right", async () => {
    const secrets = (change: Partial<GroupSecrets>) => (given: GroupSecrets) => ({ ...given, ...change });
    const joinerSecret = new Uint8Array(32);
    await refused({ welcome: await retouched({ secrets: secrets({ joinerSecret }) }) }, "group_info_invalid");
    for (const pathSecret of [new Uint8Array(32), new Uint8Array(31)]) {
      await refused({ welcome: await retouched({ secrets: secrets({ pathSecret }) }) }, "path_secret_invalid");
    }
  });

  test("PSKs that are missing, too short of a nonce, or more than one of a branch or reinit", async () => {
    const withPsks = (...psks: GroupSecrets["psks"]) => retouched({ secrets: (given) => ({ ...given, psks }) });
    const nonce = new Uint8Array(32);
    await refused({ welcome: await withPsks({ type: "external", pskId: text("x"), nonce }) }, "psk_missing");
    const short = { type: "external", pskId: text("x"), nonce: new Uint8Array(31) } as const;
    await refused({ welcome: await withPsks(short), psks: () => text("x") }, "psk_invalid");
    const special = (usage: "branch" | "reinit") =>
      ({ type: "resumption", usage, groupId: text("group"), epoch: 1n, nonce }) as const;
    const two = await withPsks(special("branch"), special("reinit"));
    await refused({ welcome: two, psks: () => text("x") }, "psk_invalid");
    await refused({ welcome: await withPsks(special("branch")), psks: () => text("x") }, "psk_missing");
  });

  test("a tree without the joiner's leaf", async () => {
    const treeHash = alice.epoch.groupContext.treeHash;
    const older = (info: GroupInfo): GroupInfo => ({ ...info, groupContext: { ...info.groupContext, treeHash } });
    const welcome = await retouched({ info: older });
    await refused({ welcome, ratchetTree: encodeRatchetTree(alice) }, "welcome_not_for_us");
  });

  test("a Welcome that its own receiver signed", async () => {
    const signatureKey = dave.signatureKeyPair.privateKey;
    const message = await retouched({ info: (info) => ({ ...info, signer: 3 }), signatureKey });
    await refused({ welcome: message }, "path_secret_invalid");
  });

  test("7.3: lifetimes, of the own package and of members on request", async () => {
    await refused({ lifetime: { now: lifetime.notAfter + 1n } }, "lifetime_invalid");
    await refused({ lifetime: { now: lifetime.notBefore - 1n } }, "lifetime_invalid");
    expect((await attempt({ lifetime: { now: lifetime.notBefore } })).epoch.ownLeafIndex).toBe(3);
    await refused({ lifetime: { now, maximum: 10n } }, "lifetime_invalid");
    const late = { keyPackage: dave.keyPackage, lifetime: { now: lifetime.notAfter, checkMembers: true } };
    expect((await attempt(late)).epoch.ownLeafIndex).toBe(3);
    const short = await newClient(suite, "erin", { lifetime: { notBefore: now, notAfter: now + 10n } });
    await join(
      world,
      short,
      await commit(world, "alice", { proposals: [{ type: "add", keyPackage: short.keyPackage }] }),
    );
    created = await createCommit(stateOf(world, "alice"), {
      authentication,
      proposals: [{ type: "add", keyPackage: dave.keyPackage }],
    });
    await refused({ lifetime: { now: now + 11n, checkMembers: true } }, "lifetime_invalid");
    expect((await attempt({ lifetime: { now: now + 11n } })).epoch.ownLeafIndex).toBe(4);
  });

  test("the last-resort extension keeps the keys of its package", async () => {
    const lasting = await newClient(suite, "erin", { lastResort: true });
    expect(findExtension(lasting.keyPackage.extensions, extensionTypes.lastResort)).toBeDefined();
    const adding = await createCommit(alice, {
      authentication,
      proposals: [lasting, dave].map(({ keyPackage }) => ({ type: "add", keyPackage }) as const),
    });
    for (const [client, consumed] of [
      [lasting, 0],
      [dave, 2],
    ] as const) {
      const joined = await joinGroup({
        suite,
        welcome: adding.welcomes[0]?.bytes as Uint8Array,
        keyPackage: client.keyPackage,
        privateKeys: client.privateKeys,
        ratchetTree: encodeRatchetTree(adding.next),
        authentication,
      });
      expect(joined.consumed).toHaveLength(consumed);
    }
  });
});

describe("the integrity of a tree", () => {
  let grown: GroupState;

  /** Eight members: parents set by four of them, and Ida, whom two of these do not know yet. */
  beforeEach(async () => {
    await add(world, "bob", ["erin", "frank", "gina", "hugo"]);
    for (const name of ["carol", "alice", "frank", "hugo"]) await commit(world, name);
    await add(world, "alice", ["ida"], { forcePath: false });
    grown = stateOf(world, "alice");
  });

  async function check(change: (draft: TreeDraft) => void): Promise<void> {
    const draft = draftOf(grown.epoch.tree);
    change(draft);
    draft.hashes.fill(undefined);
    const treeHash = rootHash(suite, { ...draft, hashes: draft.hashes.slice() });
    await validateTree(suite, draft, { ...grown.epoch.groupContext, treeHash }, { authentication });
  }

  const parentsOf = (draft: TreeDraft): [number, ParentNode][] =>
    [...draft.parents.entries()].filter((entry): entry is [number, ParentNode] => entry[1] !== undefined);

  test("as it should be", async () => {
    await check(() => undefined);
    const unmerged = parentsOf(draftOf(grown.epoch.tree)).filter(([, parent]) => parent.unmergedLeaves.length > 0);
    expect(unmerged.length).toBeGreaterThan(1);
    expect(decodeTree(encodeTree(grown.epoch.tree)).leaves).toEqual(grown.epoch.tree.leaves);
  });

  test("the tree hash", async () => {
    const draft = draftOf(grown.epoch.tree);
    await expect(
      validateTree(suite, draft, { ...grown.epoch.groupContext, treeHash: new Uint8Array(32) }, { authentication }),
    ).rejects.toMatchObject({ code: "tree_hash_invalid" });
  });

  test("12.4.3.1: an unmerged leaf that is blank, not below its node, or unknown to a node in between", async () => {
    const top = (draft: TreeDraft): [number, ParentNode] =>
      parentsOf(draft).reduce((a, b) => (b[1].unmergedLeaves.length > a[1].unmergedLeaves.length ? b : a));
    const astray = check((draft) => {
      draft.parents[0] = { ...(draft.parents[0] as ParentNode), unmergedLeaves: [7] };
    });
    await expect(astray).rejects.toMatchObject({ code: "unmerged_leaf_invalid" });
    const blank = check((draft) => {
      draft.leaves[7] = undefined;
    });
    await expect(blank).rejects.toMatchObject({ code: "unmerged_leaf_invalid" });
    const forgotten = check((draft) => {
      const [topIndex, root] = top(draft);
      for (const [index, parent] of parentsOf(draft)) {
        if (index === topIndex) continue;
        const kept = parent.unmergedLeaves.filter((leaf) => !root.unmergedLeaves.includes(leaf));
        if (kept.length < parent.unmergedLeaves.length) draft.parents[index] = { ...parent, unmergedLeaves: kept };
      }
    });
    await expect(forgotten).rejects.toMatchObject({ code: "unmerged_leaf_invalid" });
  });

  test("7.9.2: a parent whose key, parent hash or unmerged leaves nobody vouches for", async () => {
    const { publicKey } = await suite.generateKeyPair();
    const count = parentsOf(draftOf(grown.epoch.tree)).length;
    for (let which = 0; which < count; which++) {
      for (const change of [{ encryptionKey: publicKey }, { parentHash: new Uint8Array(32) }]) {
        const broken = check((draft) => {
          const [index, parent] = parentsOf(draft)[which] as [number, ParentNode];
          draft.parents[index] = { ...parent, ...change };
        });
        await expect(broken).rejects.toMatchObject({ code: "parent_hash_invalid" });
      }
    }
    const planted = check((draft) => {
      // Hugo's parent was filtered out of his path.
      expect(draft.parents[6]).toBeUndefined();
      draft.parents[6] = { encryptionKey: publicKey, parentHash: new Uint8Array(0), unmergedLeaves: [7] };
    });
    await expect(planted).rejects.toMatchObject({ code: "parent_hash_invalid" });
  });

  test("7.9.2: a parent hides a member by calling it unmerged", async () => {
    const broken = check((draft) => {
      draft.parents[0] = { ...(draft.parents[0] as ParentNode), unmergedLeaves: [0, 1] };
    });
    await expect(broken).rejects.toMatchObject({ code: "parent_hash_invalid" });
    const half = check((draft) => {
      draft.parents[0] = { ...(draft.parents[0] as ParentNode), unmergedLeaves: [1] };
    });
    await expect(half).rejects.toMatchObject({ code: "parent_hash_invalid" });
  });

  test("7.3: a leaf with a bad signature, in the wrong place, or with a key of another", async () => {
    const leafOf = (draft: TreeDraft, index: number): LeafNode => draft.leaves[index] as LeafNode;
    const last = grown.epoch.tree.leaves.findLastIndex((leaf) => leaf?.source === "keyPackage");
    await expect(
      check((draft) => {
        draft.leaves[last] = { ...leafOf(draft, last), signature: new Uint8Array(64) };
      }),
    ).rejects.toMatchObject({ code: "leaf_signature_invalid" });
    await expect(
      check((draft) => {
        draft.leaves[last] = { ...leafOf(draft, last), encryptionKey: leafOf(draft, 0).encryptionKey };
      }),
    ).rejects.toMatchObject({ code: "key_not_unique" });
    await expect(
      check((draft) => {
        const parent = parentsOf(draft)[0]?.[1] as ParentNode;
        draft.leaves[last] = { ...leafOf(draft, last), encryptionKey: parent.encryptionKey };
      }),
    ).rejects.toMatchObject({ code: "key_not_unique" });
    await expect(
      check((draft) => {
        draft.leaves[last] = { ...leafOf(draft, last), signatureKey: leafOf(draft, 0).signatureKey };
      }),
    ).rejects.toMatchObject({ code: "key_not_unique" });
    await expect(
      check((draft) => {
        draft.leaves[last] = { ...leafOf(draft, last), credential: leafOf(draft, 0).credential };
      }),
    ).rejects.toMatchObject({ code: "duplicate_client" });
  });

  test("7.3: two parents with one encryption key, in a tree that is sound in all else", async () => {
    const committed = async (secrets: readonly number[]): Promise<TreeDraft> => {
      const draft = draftOf(grown.epoch.tree);
      for (const [index, name] of ["carol", "hugo"].entries()) {
        const { ownLeafIndex, signaturePrivateKey } = stateOf(world, name).epoch;
        const leaf = draft.leaves[ownLeafIndex] as LeafNode;
        // Path secrets are drawn from here; the leaf's own key is not.
        const drawing = { ...suite, random: (length: number) => new Uint8Array(length).fill(secrets[index] as number) };
        const { groupId } = grown.epoch.groupContext;
        await updateOwnPath(drawing, draft, ownLeafIndex, leaf, groupId, signaturePrivateKey);
      }
      return draft;
    };
    const validate = (draft: TreeDraft): Promise<void> => {
      const treeHash = rootHash(suite, draft);
      return validateTree(suite, draft, { ...grown.epoch.groupContext, treeHash }, { authentication });
    };
    await validate(await committed([1, 2]));
    await expect(validate(await committed([1, 1]))).rejects.toMatchObject({ code: "key_not_unique" });
  });

  test("12.4.3.3: a tree that ends blank, has a node in the wrong place, or an index out of range", () => {
    const encoded = encodeTree(grown.epoch.tree);
    const reread = decodeTree(encoded);
    expect(encodeTree(reread)).toEqual(encoded);
    const parent = (unmergedLeaves: number[]): ParentNode => ({
      encryptionKey: new Uint8Array(32),
      parentHash: new Uint8Array(0),
      unmergedLeaves,
    });
    const leaf = grown.epoch.tree.leaves[0];
    const tree = (unmerged: number[]) => encodeTree({ leaves: [leaf, leaf], parents: [parent(unmerged)], hashes: [] });
    expect(decodeTree(tree([0, 1])).parents).toHaveLength(1);
    for (const unmerged of [[2], [1, 0], [0, 0], [4_000_000_000]]) {
      expect(() => decodeTree(tree(unmerged))).toThrow(expect.objectContaining({ code: "decode_failed" }));
    }
    const blankAtEnd = Uint8Array.of(1, 0);
    expect(() => decodeTree(blankAtEnd)).toThrow(expect.objectContaining({ code: "decode_failed" }));
    expect(() => decodeTree(Uint8Array.of(0))).toThrow(expect.objectContaining({ code: "decode_failed" }));
    // Length (2 bytes), presence, and the type of the first node.
    const alone = encodeTree({ leaves: [leaf], parents: [], hashes: [] });
    expect([...alone.subarray(2, 4)]).toEqual([1, 1]);
    expect(decodeTree(alone).leaves).toEqual([leaf]);
    alone[3] = 2;
    expect(() => decodeTree(alone)).toThrow(expect.objectContaining({ code: "decode_failed" }));
  });

  test("13.4, 13.5: unknown extensions are kept, and unknown capabilities ignored", async () => {
    const extension: Extension = { extensionType: 0xf0f0, data: text("unknown") };
    const grease = 0x0a0a;
    const erin = await newClient(suite, "jane", {
      leafExtensions: [extension],
      extensions: [extension],
      capabilities: {
        versions: [grease, 1],
        cipherSuites: [grease, 1],
        extensions: [grease, 0xf0f0],
        proposals: [grease],
        credentials: [grease, 1],
      },
    });
    await join(
      world,
      erin,
      await commit(world, "alice", { proposals: [{ type: "add", keyPackage: erin.keyPackage }] }),
    );
    const leaf = stateOf(world, "bob").epoch.tree.leaves[stateOf(world, "jane").epoch.ownLeafIndex];
    expect(leaf?.extensions).toEqual([extension]);
    await commit(world, "jane");
    expect(stateOf(world, "bob").epoch.tree.leaves[stateOf(world, "jane").epoch.ownLeafIndex]?.extensions).toEqual([
      extension,
    ]);
  });
});
