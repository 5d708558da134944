/** Messages that are late, doubled, forged or tampered with: RFC 9420, sections 6, 9 and 15. Named by section. */
import {
  createCommit,
  createMessage,
  createProposal,
  inspectMessage,
  lenientConfig,
  MlsError,
  processMessage,
  strictConfig,
  type GroupConfig,
  type GroupState,
  type ProcessedApplication,
} from "@tacit/mls";
import { decodeMlsMessage, encodeMlsMessage } from "../../mls/src/mlsMessage.ts";
import { senderDataKeys, sealPrivateMessage, type PrivateMessage } from "../../mls/src/privateMessage.ts";
import { createSecretTree } from "../../mls/src/secretTree.ts";
import { send } from "./forge.ts";
import { add, authentication, commit, leafOf, newWorld, show, stateOf, testSuite, text, type World } from "./world.ts";

const suite = testSuite();

async function groupOf(config: GroupConfig = strictConfig): Promise<World> {
  const world = await newWorld(suite, "alice", { config });
  await add(world, "alice", ["bob", "carol"]);
  return world;
}

async function say(world: World, from: string, message: string): Promise<Uint8Array> {
  const sent = await createMessage(stateOf(world, from), text(message));
  world.states.set(from, sent.state);
  return sent.message;
}

async function hear(world: World, name: string, message: Uint8Array): Promise<ProcessedApplication> {
  const received = await processMessage(stateOf(world, name), message, { authentication });
  if (received.kind !== "application") throw new Error("expected application data");
  world.states.set(name, received.state);
  return received;
}

async function refused(state: GroupState, message: Uint8Array, code: string, everyone = true): Promise<void> {
  const error = await processMessage(state, message, { authentication }).then(
    () => new Error("accepted"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(MlsError);
  expect(error).toMatchObject({ code, everyone });
}

function privatePart(message: Uint8Array): PrivateMessage {
  const decoded = decodeMlsMessage(message);
  if (decoded.wireFormat !== "privateMessage") throw new Error("not a private message");
  return decoded.privateMessage;
}

const remade = (message: Uint8Array, change: Partial<PrivateMessage>): Uint8Array =>
  encodeMlsMessage({ wireFormat: "privateMessage", privateMessage: { ...privatePart(message), ...change } });

/** A message with this content as plaintext, byte for byte, from Alice in her first generation. */
function sealedBytes(state: GroupState, plaintextTail: Uint8Array): Uint8Array {
  const { message } = sealPrivateMessage(
    suite,
    {
      senderDataSecret: state.epoch.secrets.senderDataSecret,
      secretTree: state.ratchets.current,
      config: strictConfig,
    },
    {
      groupId: state.epoch.groupContext.groupId,
      epoch: state.epoch.groupContext.epoch,
      sender: { type: "member", leafIndex: state.epoch.ownLeafIndex },
      authenticatedData: new Uint8Array(0),
      content: { contentType: "application", applicationData: text("x") },
    },
    { signature: new Uint8Array(64), confirmationTag: plaintextTail },
    0,
  );
  return encodeMlsMessage({ wireFormat: "privateMessage", privateMessage: message });
}

describe("section 6: what a message names", () => {
  test("another group, an epoch to come, an epoch that is over", async () => {
    const world = await groupOf();
    const message = await say(world, "alice", "hello");
    const bob = stateOf(world, "bob");
    await refused(bob, remade(message, { groupId: text("other") }), "wrong_group");
    await refused(bob, remade(message, { epoch: 2n }), "future_epoch", false);
    await refused(bob, remade(message, { epoch: 0n }), "past_epoch");
    const { epoch, groupId } = bob.epoch.groupContext;
    expect(inspectMessage(message)).toEqual({
      wireFormat: "privateMessage",
      groupId,
      epoch,
      contentType: "application",
      authenticatedData: new Uint8Array(0),
    });
  });

  test("content that its kind of sender may not send", async () => {
    const world = await groupOf();
    const [alice, bob] = [stateOf(world, "alice"), stateOf(world, "bob")];
    const removal = { contentType: "proposal", proposal: { type: "remove", removed: 2 } } as const;
    const data = { contentType: "application", applicationData: text("x") } as const;
    await refused(bob, await send(alice, data, { wireFormat: "publicMessage" }), "content_not_allowed");
    for (const content of [removal, data] as const) {
      const message = await send(alice, content, {
        wireFormat: "publicMessage",
        framed: (framed) => ({ ...framed, sender: { type: "newMemberCommit" } }),
      });
      await refused(bob, message, "content_not_allowed");
    }
    const asNewMember = await send(alice, removal, {
      wireFormat: "publicMessage",
      framed: (framed) => ({ ...framed, sender: { type: "newMemberProposal" } }),
    });
    await refused(bob, asNewMember, "content_not_allowed");
    const asExternal = await send(alice, removal, {
      wireFormat: "publicMessage",
      framed: (framed) => ({ ...framed, sender: { type: "external", senderIndex: 0 } }),
    });
    await refused(bob, asExternal, "unknown_sender");
    const commitment = { contentType: "commit", commit: { proposals: [] } } as const;
    const external = await send(
      alice,
      commitment,
      {
        wireFormat: "publicMessage",
        framed: (framed) => ({ ...framed, sender: { type: "external", senderIndex: 0 } }),
      },
      (_framed, signature) => ({ signature, confirmationTag: new Uint8Array(32) }),
    );
    await refused(bob, external, "content_not_allowed");
    const pathless = await send(
      alice,
      commitment,
      { wireFormat: "publicMessage", framed: (framed) => ({ ...framed, sender: { type: "newMemberCommit" } }) },
      (_framed, signature) => ({ signature, confirmationTag: new Uint8Array(32) }),
    );
    await refused(bob, pathless, "path_missing");
    const init = { contentType: "proposal", proposal: { type: "externalInit", kemOutput: text("kem") } } as const;
    await refused(bob, await send(alice, init), "proposal_not_allowed");
  });

  test("only members send private messages", async () => {
    const alice = stateOf(await groupOf(), "alice");
    const content = { contentType: "application", applicationData: text("x") } as const;
    const asExternal = send(alice, content, {
      framed: (framed) => ({ ...framed, sender: { type: "external", senderIndex: 0 } }),
    });
    await expect(asExternal).rejects.toMatchObject({ code: "invalid_argument" });
  });

  test("a Welcome, a GroupInfo or a key package is not for members", async () => {
    const world = await groupOf();
    const client = await (await import("./world.ts")).newClient(suite, "dave");
    await refused(stateOf(world, "bob"), client.bytes, "unexpected_message");
  });

  test("trailing bytes, and every truncation", async () => {
    const world = await groupOf();
    const message = await say(world, "alice", "hello");
    const bob = stateOf(world, "bob");
    await refused(bob, Uint8Array.of(...message, 0), "decode_failed");
    for (let length = 0; length < message.length; length++) {
      await refused(bob, message.subarray(0, length), "decode_failed");
    }
  });
});

describe("section 6.1: signatures", () => {
  test("by another key, or for another wire format (section 8.2)", async () => {
    const world = await groupOf();
    const [alice, bob] = [stateOf(world, "alice"), stateOf(world, "bob")];
    const content = { contentType: "application", applicationData: text("x") } as const;
    const carolsKey = stateOf(world, "carol").epoch.signaturePrivateKey;
    await refused(bob, await send(alice, content, { signaturePrivateKey: carolsKey }), "signature_invalid");
    await refused(bob, await send(alice, content, { signedAs: "publicMessage" }), "signature_invalid");
    const removal = { contentType: "proposal", proposal: { type: "remove", removed: 2 } } as const;
    const moved = await send(alice, removal, { wireFormat: "publicMessage", signedAs: "privateMessage" });
    await refused(bob, moved, "signature_invalid");
  });

  test("in the name of another member, or of nobody", async () => {
    const world = await groupOf();
    const [alice, bob] = [stateOf(world, "alice"), stateOf(world, "bob")];
    const content = { contentType: "application", applicationData: text("x") } as const;
    const as = (leafIndex: number) =>
      send(alice, content, { framed: (framed) => ({ ...framed, sender: { type: "member", leafIndex } }) });
    await refused(bob, await as(leafOf(world, "carol")), "signature_invalid");
    await refused(bob, await as(leafOf(world, "bob")), "own_message");
    await refused(bob, await as(3), "unknown_member");
  });
});

describe("application messages in a member's own name", () => {
  const opening = { authentication, ownMessages: "opened" } as const;
  const outcome = (state: GroupState, message: Uint8Array): Promise<unknown> =>
    processMessage(state, message, opening).catch((error: unknown) => error);

  test("are opened by an older copy of it where that is asked for, and their keys are used up", async () => {
    const world = await groupOf();
    const older = stateOf(world, "alice");
    const messages = [await say(world, "alice", "one"), await say(world, "alice", "two")];
    await refused(older, messages[0]!, "own_message");
    let state = older;
    for (const [index, message] of messages.entries()) {
      const opened = await processMessage(state, message, opening);
      expect(opened).toMatchObject({ kind: "application", senderLeaf: leafOf(world, "alice"), generation: index });
      expect(show((opened as ProcessedApplication).plaintext)).toBe(["one", "two"][index]);
      state = opened.state;
    }
    expect(await outcome(state, messages[1]!)).toMatchObject({ code: "generation_consumed" });
    // What it says next, the others can open.
    for (const message of messages) await hear(world, "bob", message);
    world.states.set("alice", state);
    expect(show((await hear(world, "bob", await say(world, "alice", "three"))).plaintext)).toBe("three");
  });

  test("are refused where its keys are used up, its signature does not hold, or they are no application messages", async () => {
    const world = await groupOf();
    const older = stateOf(world, "alice");
    const message = await say(world, "alice", "one");
    expect(await outcome(stateOf(world, "alice"), message)).toMatchObject({ code: "generation_consumed" });
    const content = { contentType: "application", applicationData: text("x") } as const;
    const sender = { type: "member", leafIndex: leafOf(world, "alice") } as const;
    const forged = await send(stateOf(world, "bob"), content, { framed: (framed) => ({ ...framed, sender }) });
    expect(await outcome(older, forged)).toMatchObject({ code: "signature_invalid" });
    expect(await outcome(older, (await createCommit(older, { authentication })).commit)).toMatchObject({
      code: "own_message",
    });
    const removal = { contentType: "proposal", proposal: { type: "remove", removed: 2 } } as const;
    for (const wireFormat of ["privateMessage", "publicMessage"] as const) {
      expect(await outcome(older, await send(older, removal, { wireFormat }))).toMatchObject({ code: "own_message" });
    }
  });
});

describe("section 6.2: public messages", () => {
  test("with a wrong membership tag, an own name, or of nobody", async () => {
    const world = await groupOf();
    const [alice, bob] = [stateOf(world, "alice"), stateOf(world, "bob")];
    const removal = { contentType: "proposal", proposal: { type: "remove", removed: 2 } } as const;
    const good = await send(alice, removal, { wireFormat: "publicMessage" });
    expect((await processMessage(bob, good, { authentication })).kind).toBe("proposal");
    const tampered = good.slice();
    tampered[tampered.length - 1] = (tampered[tampered.length - 1] as number) ^ 1;
    await refused(bob, tampered, "membership_tag_invalid");
    for (const [leafIndex, code] of [
      [1, "own_message"],
      [3, "unknown_member"],
      [4_000_000_000, "unknown_member"],
    ] as const) {
      const message = await send(alice, removal, {
        wireFormat: "publicMessage",
        framed: (framed) => ({ ...framed, sender: { type: "member", leafIndex } }),
      });
      await refused(bob, message, code);
    }
  });
});

describe("section 6.3: private messages", () => {
  test("6.3.1: padding that is not zero", async () => {
    const world = await groupOf();
    const [alice, bob] = [stateOf(world, "alice"), stateOf(world, "bob")];
    // The tag of a commit stands where application data has its padding: one length byte, then these.
    await refused(bob, sealedBytes(alice, new Uint8Array(3)), "decode_failed");
    await refused(bob, sealedBytes(alice, new Uint8Array(0)), "signature_invalid");
  });

  test("padding hides the length and changes nothing else", async () => {
    const world = await groupOf();
    const sizes = new Set<number>();
    for (const message of ["", "a", "ab"]) {
      const sent = await createMessage(stateOf(world, "alice"), text(message), { padding: 100 - message.length });
      world.states.set("alice", sent.state);
      sizes.add(sent.message.length);
      expect(show((await hear(world, "bob", sent.message)).plaintext)).toBe(message);
    }
    expect(sizes.size).toBe(1);
  });

  test("6.3.2: sender data that names a leaf outside of the tree", async () => {
    const world = await groupOf();
    const [alice, bob] = [stateOf(world, "alice"), stateOf(world, "bob")];
    const secret = alice.epoch.secrets.senderDataSecret;
    const wide = {
      senderDataSecret: secret,
      secretTree: createSecretTree(new Uint8Array(32), 1024),
      config: strictConfig,
    };
    const { message } = sealPrivateMessage(
      suite,
      wide,
      {
        groupId: alice.epoch.groupContext.groupId,
        epoch: alice.epoch.groupContext.epoch,
        sender: { type: "member", leafIndex: 1000 },
        authenticatedData: new Uint8Array(0),
        content: { contentType: "application", applicationData: text("x") },
      },
      { signature: new Uint8Array(64) },
      0,
    );
    const bytes = encodeMlsMessage({ wireFormat: "privateMessage", privateMessage: message });
    await refused(bob, bytes, "unknown_member");
    expect(senderDataKeys(suite, secret, message.ciphertext).key).toHaveLength(suite.keyLength);
  });

  test("any flipped bit is refused, and leaves the state as it was", async () => {
    const world = await groupOf();
    const message = await say(world, "alice", "hello");
    const bob = stateOf(world, "bob");
    for (let at = 0; at < message.length; at++) {
      const tampered = message.slice();
      tampered[at] = (tampered[at] as number) ^ (1 << (at % 8));
      await expect(processMessage(bob, tampered, { authentication })).rejects.toBeInstanceOf(MlsError);
    }
    await refused(bob, remade(message, { authenticatedData: text("other") }), "aead_failed");
    await refused(bob, remade(message, { contentType: "proposal" }), "sender_data_invalid");
    expect(show((await hear(world, "bob", message)).plaintext)).toBe("hello");
  });
});

describe("sections 9.2 and 15.3: order and loss", () => {
  test("a replay finds its key gone", async () => {
    const world = await groupOf(lenientConfig);
    const message = await say(world, "alice", "hello");
    await hear(world, "bob", message);
    await refused(stateOf(world, "bob"), message, "generation_consumed");
  });

  test("without a window, what was passed over is lost; with one it is read, each once", async () => {
    for (const [config, readable] of [
      [strictConfig, false],
      [{ ...strictConfig, skippedKeys: 2 }, true],
    ] as const) {
      const world = await groupOf(config);
      const messages = [];
      for (const each of ["a", "b", "c", "d"]) messages.push(await say(world, "alice", each));
      const [a, b, c, d] = messages as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
      expect((await hear(world, "bob", d)).generation).toBe(3);
      await refused(stateOf(world, "bob"), a, "generation_consumed");
      if (!readable) {
        await refused(stateOf(world, "bob"), c, "generation_consumed");
        continue;
      }
      expect(show((await hear(world, "bob", c)).plaintext)).toBe("c");
      expect(show((await hear(world, "bob", b)).plaintext)).toBe("b");
      await refused(stateOf(world, "bob"), b, "generation_consumed");
    }
  });

  test("what somebody forges in a sender's name uses up no key that was kept for the sender", async () => {
    const world = await groupOf({ ...strictConfig, skippedKeys: 2 });
    const [late, next] = [await say(world, "alice", "late"), await say(world, "alice", "next")];
    await hear(world, "bob", next);
    const sender = { type: "member", leafIndex: leafOf(world, "alice") } as const;
    const content = { contentType: "application", applicationData: text("late") } as const;
    const forged = await send(stateOf(world, "carol"), content, { framed: (framed) => ({ ...framed, sender }) });
    await refused(stateOf(world, "bob"), forged, "signature_invalid");
    expect(show((await hear(world, "bob", late)).plaintext)).toBe("late");
  });

  test("15.3: a generation too far ahead is refused before anything is derived", async () => {
    const world = await groupOf({ ...strictConfig, forwardLimit: 5 });
    let message = await say(world, "alice", "0");
    for (let generation = 1; generation <= 6; generation++) message = await say(world, "alice", String(generation));
    await refused(stateOf(world, "bob"), message, "generation_too_far");
    const far = await groupOf();
    const alice = stateOf(far, "alice");
    const application = { secret: new Uint8Array(32), generation: 4_294_967_290, skipped: [] };
    const forged: GroupState = {
      ...alice,
      ratchets: {
        current: {
          leafCount: 4,
          root: {
            kind: "open",
            left: {
              kind: "open",
              left: { kind: "leaf", handshake: application, application },
              right: { kind: "closed", secret: new Uint8Array(32) },
            },
            right: { kind: "closed", secret: new Uint8Array(32) },
          },
        },
        past: [],
      },
    };
    const bytes = await send(forged, { contentType: "application", applicationData: text("x") });
    const start = performance.now();
    await refused(stateOf(far, "bob"), bytes, "generation_too_far");
    expect(performance.now() - start).toBeLessThan(1000);
    const last = { ...application, generation: 0xffffffff };
    const spent: GroupState = {
      ...forged,
      ratchets: {
        current: { leafCount: 1, root: { kind: "leaf", handshake: last, application: last } },
        past: [],
      },
    };
    await expect(createMessage(spent, text("x"))).rejects.toMatchObject({ code: "generation_exhausted" });
  });

  test("late messages of past epochs, as many as the configuration says", async () => {
    const world = await groupOf({ ...strictConfig, pastEpochs: 2, skippedKeys: 4 });
    const carolsLeaf = leafOf(world, "carol");
    const oldest = await say(world, "carol", "one");
    const second = await say(world, "carol", "two");
    await commit(world, "alice", { proposals: [{ type: "remove", removed: carolsLeaf }] });
    const late = await hear(world, "bob", second);
    expect([late.senderLeaf, late.epoch, show(late.plaintext)]).toEqual([carolsLeaf, 1n, "two"]);
    await refused(stateOf(world, "bob"), second, "generation_consumed");
    await commit(world, "bob");
    expect(show((await hear(world, "bob", oldest)).plaintext)).toBe("one");
    const third = await groupOf();
    const message = await say(third, "carol", "three");
    await commit(third, "alice");
    await refused(stateOf(third, "bob"), message, "past_epoch");
  });

  test("handshake messages of past epochs are never read", async () => {
    const world = await groupOf({ ...strictConfig, pastEpochs: 2 });
    const late = await createProposal(stateOf(world, "carol"), { type: "update" }, { authentication });
    const publicOne = await createProposal(
      stateOf(world, "carol"),
      { type: "update" },
      { authentication, privateMessage: false },
    );
    const competing = await createCommit(stateOf(world, "carol"), { authentication });
    await commit(world, "alice");
    for (const message of [late.message, publicOne.message, competing.commit]) {
      await refused(stateOf(world, "bob"), message, "past_epoch");
    }
  });
});

test("section 5.2: a proposal's reference covers its sender and wire format", async () => {
  const world = await groupOf();
  const proposal = { type: "remove", removed: leafOf(world, "carol") } as const;
  const refs = new Set<string>();
  for (const from of ["alice", "bob"]) {
    for (const privateMessage of [true, false]) {
      const created = await createProposal(stateOf(world, from), proposal, { authentication, privateMessage });
      refs.add(Buffer.from(created.ref).toString("hex"));
    }
  }
  expect(refs.size).toBe(4);
});
