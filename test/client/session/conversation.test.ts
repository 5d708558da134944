/** The steps of a conversation by themselves: what each entry of a log does to whoever reads it. */
import { createMessage } from "@tacit/mls";
import { encodeBase64Url } from "@tacit/protocol";
import { encodeCommitData } from "../../../client/src/session/reading/commitData.ts";
import { encodeContent } from "../../../client/src/session/content.ts";
import { changes, decodeConversation } from "../../../client/src/session/conversationStore.ts";
import { receive } from "../../../client/src/session/group/groupMessages.ts";
import { enqueue, nextBatch, ownEntries, sealBatch } from "../../../client/src/session/outbox.ts";
import type { ConversationState } from "../../../client/src/session/conversation.ts";
import { apply, couple, now, provider, rotateKeys, rotatePending, sealed, suite } from "../support/devices.ts";

const kinds = ({ items }: { readonly items: readonly { readonly kind: string }[] }): readonly string[] =>
  items.map(({ kind }) => kind);
const texts = ({ items }: Awaited<ReturnType<typeof apply>>): readonly string[] =>
  items.flatMap((item) => (item.kind === "message" ? [item.text] : []));
const id = (): string => encodeBase64Url(provider.random(16));

describe("messages", () => {
  it("are shown once, however often the log or a page repeats them", async () => {
    const { log, alice, bob, atAlice, atBob } = await couple();
    const { state, ciphertext } = await sealed(alice, atAlice, "once");
    const first = log.message(ciphertext);
    // The relay's platform retried, and the same bytes landed twice.
    const second = log.message(ciphertext);
    const own = await apply(alice, state, [first, second, first]);
    expect(texts(own)).toEqual(["once"]);
    expect(own.state).toMatchObject({ outbox: [], cursor: second.entry.seq });
    expect(kinds(await apply(bob, atBob, [first, first, second]))).toEqual(["message"]);
  });

  it("are dropped as copies by their sender and the id inside, and only then", async () => {
    const { log, alice, bob, atAlice, atBob } = await couple();
    const content = (text: string, messageId: string): Uint8Array =>
      encodeContent({ id: messageId, text, sentAt: now, record: alice.record, log: undefined });
    const same = id();
    let group = atAlice.group!;
    const say = async (text: string, messageId: string): Promise<Uint8Array> => {
      const created = await createMessage(group, content(text, messageId));
      group = created.state;
      return created.message;
    };
    for (const bytes of [await say("one", same), await say("one again", same), await say("two", id())])
      log.message(bytes);
    const atEnd = await apply(bob, atBob, log.entries);
    expect(texts(atEnd)).toEqual(["one", "two"]);
    // Another sender may use that id.
    const { message } = await createMessage(atEnd.state.group!, content("mine", same));
    expect(texts(await apply(alice, { ...atAlice, group }, [log.message(message)]))).toEqual(["mine"]);
  });

  it("that cannot be read are named, and harm nothing", async () => {
    const { log, alice, bob, atAlice, atBob } = await couple();
    log.message(provider.random(200));
    const { message, state: group } = await createMessage(atAlice.group!, new TextEncoder().encode('{"v":2}'));
    log.message(message);
    const lost = log.message(provider.random(10));
    const { ciphertext } = await sealed(alice, { ...atAlice, group, chain: undefined }, "still here");
    log.message(ciphertext);
    const read = log.entries.map((each) => (each === lost ? { ...each, payload: undefined } : each));
    const step = await apply(bob, atBob, read);
    expect(step.items.map((item) => (item.kind === "unreadable" ? item.reason : item.kind))).toEqual([
      "cannot_decrypt",
      "unknown_content",
      "blob_lost",
      "message",
    ]);
    expect(step.items.map(({ position }) => position)).toEqual([2, 3, 4, 5]);
  });

  it("are no place for a commit", async () => {
    const { log, alice, bob, atAlice, atBob } = await couple();
    const { commit } = await rotateKeys(
      alice,
      atAlice.group!,
      encodeCommitData({ turn: 1, add: [], remove: [], blobs: [], log: undefined }),
    );
    const step = await apply(bob, atBob, [log.message(commit)]);
    expect(step.items).toMatchObject([{ kind: "unreadable", reason: "unknown_content" }]);
    expect(step.state.group).toBe(atBob.group);
    expect(step.state.turn).toBe(1);
  });

  it("that expired unread leave a notice, and what follows can be read", async () => {
    const { log, alice, bob, atAlice, atBob } = await couple();
    let state: ConversationState = atAlice;
    for (const text of ["one", "two", "three"]) {
      const next = await sealed(alice, state, text);
      log.message(next.ciphertext);
      state = (await apply(alice, next.state, log.entries)).state;
    }
    const step = await apply(bob, atBob, [log.entries[3]!]);
    expect(step.items).toMatchObject([
      { kind: "missing", after: 1, before: 4 },
      { kind: "message", text: "three" },
    ]);
  });
});

describe("the outbox", () => {
  it("seals under the epoch that is, again after a commit, and keeps the order", async () => {
    const { log, alice, bob, atAlice, atBob } = await couple();
    let state = atAlice;
    for (const text of ["one", "two"]) state = enqueue(state, { id: id(), text, sentAt: now });
    state = (await sealBatch(alice, state)).state;
    const before = nextBatch(state).map(({ sealed: { ciphertext } }) => ciphertext);
    // Sealing is not repeated while the turn is the same.
    expect((await sealBatch(alice, state)).state).toBe(state);

    const rotation = await rotatePending(bob, atBob);
    const { commit, entry } = rotation.state.pending!;
    log.commit(commit, "bob", { id: entry });
    state = (await apply(alice, state, log.entries)).state;
    expect(state).toMatchObject({ turn: 2, outbox: [{ text: "one" }, { text: "two" }] });
    expect(nextBatch(state)).toEqual([]);
    state = (await sealBatch(alice, state)).state;
    const after = nextBatch(state).map(({ sealed: { ciphertext } }) => ciphertext);
    expect(after).toHaveLength(2);
    expect(after).not.toEqual(before);
    for (const ciphertext of after) log.message(ciphertext);
    expect(texts(await apply(bob, rotation.state, log.entries))).toEqual(["one", "two"]);
  });

  it("takes as much into a frame as the limits allow", async () => {
    const { alice, atAlice } = await couple();
    let state = atAlice;
    for (let i = 0; i < 14; i++) state = enqueue(state, { id: id(), text: "x".repeat(20), sentAt: now });
    expect(nextBatch((await sealBatch(alice, state)).state)).toHaveLength(10);
    state = atAlice;
    for (let i = 0; i < 4; i++) state = enqueue(state, { id: id(), text: "x".repeat(9_000), sentAt: now });
    state = (await sealBatch(alice, state)).state;
    expect(nextBatch(state)).toHaveLength(2);
    // The one that did not fit is not sealed for nothing twice.
    expect(state.outbox.map((item) => item.sealed !== undefined)).toEqual([true, true, true, false]);
  });

  it("believes an answer only where nothing can have come in between", async () => {
    const { alice, atAlice } = await couple();
    let state = atAlice;
    for (const text of ["one", "two"]) state = enqueue(state, { id: id(), text, sentAt: now });
    state = (await sealBatch(alice, state)).state;
    const [one, two] = nextBatch(state).map(({ sealed: { entry } }) => entry) as [string, string];
    const landed = (entry: string, seq: number, turn = 1): Parameters<typeof ownEntries>[1][number] => {
      return { id: entry, seq, turn, at: now };
    };
    expect(ownEntries(state, [landed(one, 2), landed(two, 3)])).toHaveLength(2);
    expect(ownEntries(state, [landed(one, 2)])).toHaveLength(1);
    expect(ownEntries(state, [landed(one, 3)])).toBeUndefined();
    expect(ownEntries(state, [landed(one, 2), landed(two, 4)])).toBeUndefined();
    expect(ownEntries(state, [landed(one, 2, 2)])).toBeUndefined();
    expect(ownEntries(state, [landed(id(), 2)])).toBeUndefined();
  });
});

describe("commits", () => {
  it("of one's own count when the log has them", async () => {
    const { log, alice, bob, atAlice, atBob } = await couple();
    const { state } = await rotatePending(alice, atAlice);
    const { commit, entry, next } = state.pending!;
    log.commit(commit, "alice", { id: entry });
    const own = await apply(alice, state, log.entries);
    expect(own.items).toMatchObject([{ kind: "keysChanged", by: "alice" }]);
    expect(own.state).toMatchObject({ turn: 2, pending: undefined });
    expect(own.state.group).toBe(next);
    const peer = await apply(bob, atBob, log.entries);
    expect(peer.items).toMatchObject([{ kind: "keysChanged", by: "alice" }]);
    const { ciphertext } = await sealed(alice, own.state, "new keys");
    expect(texts(await apply(bob, peer.state, [log.message(ciphertext)]))).toEqual(["new keys"]);
  });

  it("that lost are given up for the one that won, also under its name", async () => {
    const { log, alice, bob, atAlice, atBob } = await couple();
    const [atA, atB] = [(await rotatePending(alice, atAlice)).state, (await rotatePending(bob, atBob)).state];
    // The relay may write any id to an entry: the hash tells.
    log.commit(atB.pending!.commit, "bob", { id: atA.pending!.entry });
    const loser = await apply(alice, atA, log.entries);
    expect(loser.items).toMatchObject([{ kind: "keysChanged", by: "bob" }]);
    expect(loser.state).toMatchObject({ turn: 2, pending: undefined });
    const redone = await rotatePending(alice, loser.state);
    const own = log.commit(redone.state.pending!.commit, "alice", { id: redone.state.pending!.entry });
    expect(kinds(await apply(alice, redone.state, [own]))).toEqual(["keysChanged"]);
  });

  it("that break a rule are void for all: the epoch stays, the turn goes on", async () => {
    const { log, alice, bob, atAlice, atBob } = await couple();
    const data = (more: object = {}): Uint8Array =>
      encodeCommitData({ turn: log.turn, add: [], remove: [], blobs: [], log: undefined, ...more });
    const commitWith = async (bytes: Uint8Array): Promise<Uint8Array> =>
      (await rotateKeys(alice, atAlice.group!, bytes)).commit;
    log.commit(provider.random(300), "alice");
    log.commit(await commitWith(new TextEncoder().encode("no JSON")), "alice");
    log.commit(await commitWith(data({ add: ["mallory"] })), "alice");
    log.commit(await commitWith(data()), "alice", { add: ["mallory"] });
    log.commit(await commitWith(data({ remove: ["bob"] })), "alice", { remove: ["bob"] });
    // Posted by somebody else than who made it.
    log.commit(await commitWith(data()), "carol");
    const step = await apply(bob, atBob, log.entries);
    expect(step.items).toMatchObject([
      ...Array.from({ length: 5 }, () => ({ kind: "void", by: "alice" })),
      { kind: "void", by: "carol" },
    ]);
    expect(step.state).toMatchObject({ turn: 7, roster: ["alice", "bob"], phase: "open" });
    expect(step.state.group!.epoch).toBe(atBob.group!.epoch);
    const own = await apply(alice, atAlice, log.entries.slice(1, 2));
    expect(kinds(own)).toEqual(["void"]);

    const { ciphertext } = await sealed(alice, { ...atAlice, turn: 7, chain: undefined }, "unharmed");
    expect(texts(await apply(bob, step.state, [log.message(ciphertext)]))).toEqual(["unharmed"]);
  });

  it("that fell to expiry end the conversation on a device that needed them", async () => {
    const { log, alice, bob, atAlice, atBob } = await couple();
    const { state } = await rotatePending(alice, atAlice);
    log.commit(state.pending!.commit, "alice", { id: state.pending!.entry });
    const { ciphertext } = await sealed(alice, (await apply(alice, state, log.entries)).state, "unread");
    const step = await apply(bob, atBob, [log.message(ciphertext)]);
    expect(kinds(step)).toEqual(["missing", "cannotFollow"]);
    expect(step.state.phase).toBe("stuck");
  });

  it("that create lose to the one that is there, and wait for its Welcome", async () => {
    const { log, alice } = await couple();
    const { state } = await rotatePending(alice, (await couple()).atAlice);
    const creating = { ...state, phase: "opening" as const, group: undefined, cursor: 0, turn: 0, recent: [] };
    const lost = await apply(alice, { ...creating, pending: { ...state.pending!, kind: "create" } }, log.entries);
    expect(lost.state).toMatchObject({ phase: "awaitingWelcome", pending: undefined, cursor: 0 });
    expect(lost.items).toEqual([]);
  });
});

describe("the log, as members tell each other", () => {
  it("is noticed when a relay hides an entry and mends the numbers around it", async () => {
    const { log, alice, bob, atAlice, atBob } = await couple();
    const hidden = await sealed(bob, atBob, "hidden from alice");
    log.message(hidden.ciphertext);
    const honest = (await apply(bob, hidden.state, log.entries)).state;
    const { ciphertext } = await sealed(bob, honest, "reply");
    const { entry } = log.message(ciphertext);
    // Alice is shown the reply as if it followed the commit directly.
    const step = await apply(alice, atAlice, [{ entry: { ...entry, prev: 1 }, payload: ciphertext }]);
    expect(step.items).toMatchObject([
      { kind: "logMismatch", with: "bob" },
      { kind: "message", text: "reply" },
    ]);
  });

  it("is noticed when a relay shows two orders", async () => {
    const { log, alice, bob, atAlice, atBob } = await couple();
    const one = await sealed(alice, atAlice, "one");
    const two = await sealed(alice, one.state, "two");
    const inOrder = [log.message(one.ciphertext), log.message(two.ciphertext)];
    const own = (await apply(alice, two.state, inOrder)).state;
    const swapped = [inOrder[1]!, inOrder[0]!].map(({ entry, payload }, index) => {
      return { entry: { ...entry, seq: index + 2, prev: index + 1 }, payload };
    });
    const misled = await apply(bob, atBob, swapped);
    const { ciphertext } = await sealed(alice, own, "three");
    const step = await apply(bob, misled.state, [log.message(ciphertext)]);
    expect(kinds(step)).toEqual(["logMismatch", "message"]);
  });

  it("agrees while nothing is wrong, over commits and both ways", async () => {
    const { log, alice, bob, ...couples } = await couple();
    let { atAlice, atBob } = couples;
    const seen: string[] = [];
    for (let i = 0; i < 12; i++) {
      const [context, state] = i % 3 === 0 ? ([bob, atBob] as const) : ([alice, atAlice] as const);
      let spoken: ConversationState;
      if (i % 4 === 3) {
        spoken = (await rotatePending(context, state)).state;
        log.commit(spoken.pending!.commit, context.account, { id: spoken.pending!.entry });
      } else {
        const next = await sealed(context, state, `m${i}`);
        spoken = next.state;
        log.message(next.ciphertext);
      }
      const [a, b] = [
        await apply(alice, context === alice ? spoken : atAlice, log.entries),
        await apply(bob, context === bob ? spoken : atBob, log.entries),
      ];
      [atAlice, atBob] = [a.state, b.state];
      seen.push(...kinds(b));
    }
    expect(new Set(seen)).toEqual(new Set(["message", "keysChanged"]));
    expect(atAlice.chain).toEqual(atBob.chain);
  });
});

describe("storing", () => {
  it("gives back the same state, from differences alone", async () => {
    const { log, alice, bob, atAlice, atBob } = await couple();
    const stored = new Map<string, Uint8Array>();
    let last: ConversationState | undefined;
    const store = (state: ConversationState): void => {
      const prefix = `c/${state.id}/`;
      for (const { key, value } of changes(last, { state, items: [], consumed: [] })) {
        if (value === undefined) stored.delete(key.slice(prefix.length));
        else stored.set(key.slice(prefix.length), value);
      }
      last = state;
    };
    const reload = (state: ConversationState): ConversationState =>
      decodeConversation({ provider, suite }, state.id, stored);

    let state: ConversationState = atAlice;
    store(state);
    for (const text of ["one", "two"]) {
      const next = await sealed(alice, state, text);
      store(next.state);
      // As after a crash: what was sealed is sealed, and its key is gone.
      const reloaded = reload(next.state);
      expect(nextBatch(reloaded)).toEqual(nextBatch(next.state));
      state = (await apply(alice, reloaded, [log.message(next.ciphertext)])).state;
      last = reloaded;
      store(state);
    }
    const rotation = await rotatePending(alice, reload(state));
    last = reload(state);
    store(rotation.state);
    const pending = reload(rotation.state);
    expect(pending.pending).toMatchObject({ kind: "change", turn: 1, entry: rotation.state.pending!.entry });
    log.commit(pending.pending!.commit, "alice", { id: pending.pending!.entry });
    state = (await apply(alice, pending, log.entries)).state;
    last = pending;
    store(state);
    expect([...stored.keys()].filter((key) => key.startsWith("pending/"))).toEqual([]);

    const { ciphertext } = await sealed(alice, reload(state), "three");
    log.message(ciphertext);
    expect(texts(await apply(bob, atBob, log.entries))).toEqual(["one", "two", "three"]);
  });

  it("writes at most 2 KB of group state for a message", async () => {
    const { log, alice, bob, atAlice, atBob } = await couple();
    const next = await sealed(alice, atAlice, "x".repeat(100));
    const step = await apply(bob, atBob, [log.message(next.ciphertext)]);
    const size = (all: ReturnType<typeof changes>, part: string): number =>
      all.filter(({ key }) => key.includes(part)).reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
    for (const written of [changes(atAlice, { state: next.state, items: [], consumed: [] }), changes(atBob, step)]) {
      expect(size(written, "/group/")).toBeGreaterThan(0);
      expect(size(written, "/group/")).toBeLessThan(2_048);
      expect(written.some(({ key }) => key.endsWith("/epoch"))).toBe(false);
    }
  });

  it("leaves the states before it as they were", async () => {
    const { log, alice, bob, atAlice, atBob } = await couple();
    const next = await sealed(alice, atAlice, "twice");
    const read = log.message(next.ciphertext);
    expect(texts(await apply(bob, atBob, [read]))).toEqual(["twice"]);
    expect(texts(await apply(bob, atBob, [read]))).toEqual(["twice"]);
    await expect(receive(bob, (await apply(bob, atBob, [read])).state.group!, next.ciphertext)).rejects.toThrow();
  });
});
