/** Welcomes by the hundred: staged unseen, and in force with their commit or never. */
import { limits, type Request } from "@tacit/protocol";
import { randomId, sha256 } from "../../bench/rawDevice.ts";
import {
  ask,
  commitOf,
  creation,
  group,
  newStage,
  payload,
  person,
  pushes,
  sibling,
  welcomeFor,
  type Device,
} from "./stage.ts";

type Welcome = Request<"stageWelcomes">["welcomes"][number];

const day = 24 * 60 * 60_000;

async function crowd(count: number) {
  const stage = newStage();
  const alice = await person(stage, "alice");
  const guests: Device[] = [];
  for (let i = 0; i < count; i++) guests.push(await person(stage, `guest-${i}`));
  const conversation = await group([alice]);
  return { stage, alice, guests, conversation, accounts: guests.map(({ caller }) => caller.account) };
}

const stageThem = (by: Device, conversation: string, entry: string, welcomes: readonly Welcome[]) =>
  ask(by, "stageWelcomes", { conversation, entry, welcomes: [...welcomes] });
const inboxOf = async (device: Device) => (await ask(device, "readInbox", {})).ok!.items;
const later = (device: Device): Device => ({ ...device, caller: { ...device.caller, expires: Infinity } });

test("a hundred and fifty come in with one commit: seen by none before, by all after, and all are rung", async () => {
  const { alice, guests, conversation, accounts } = await crowd(150);
  const welcomes = guests.map((guest, i) => welcomeFor(guest, alice, i));
  const entry = randomId();
  for (let from = 0; from < 140; from += limits.welcomes) {
    const some = welcomes.slice(from, Math.min(140, from + limits.welcomes));
    expect((await stageThem(alice, conversation, entry, some)).ok).toEqual({});
  }
  for (const guest of guests) expect(await inboxOf(guest)).toEqual([]);
  const commit = commitOf(conversation, { entry, add: accounts, staged: true, welcomes: welcomes.slice(140) });
  const answer = await ask(alice, "commit", commit);
  expect(answer.ok).toMatchObject({ seq: 2, turn: 1 });
  for (const [i, guest] of guests.entries()) {
    const { claim } = welcomes[i]!;
    expect(await inboxOf(guest)).toMatchObject([
      { kind: "welcome", id: claim, conversation, seq: 2, turn: 2, payload: payload(i), at: answer.ok!.at },
    ]);
    expect(pushes(guest, "inbox")).toHaveLength(1);
    expect(pushes(guest, "entries")).toHaveLength(0);
  }
  // Repetitions of everything say what was said before, and do no more.
  expect((await ask(alice, "commit", commit)).ok).toEqual(answer.ok);
  expect((await stageThem(alice, conversation, entry, welcomes.slice(0, 60))).ok).toEqual({});
  const [guest] = guests;
  await ask(guest!, "acknowledgeInbox", { ids: [welcomes[0]!.claim] });
  expect(await inboxOf(guest!)).toEqual([]);
});

test("a conversation is created with a stage, and found again by a repetition", async () => {
  const { alice, guests, accounts } = await crowd(70);
  const welcomes = guests.map((guest) => welcomeFor(guest, alice));
  const request = { ...creation([alice]), roster: ["alice", ...accounts], staged: true as const };
  await stageThem(alice, request.conversation, request.entry, welcomes.slice(0, 60));
  const { error } = await ask(alice, "createConversation", request);
  expect(error?.code).toBe("key_package_not_claimed");
  await stageThem(alice, request.conversation, request.entry, welcomes.slice(60));
  const created = await ask(alice, "createConversation", request);
  expect(created.ok).toMatchObject({ seq: 1, turn: 0 });
  expect((await ask(alice, "createConversation", request)).ok).toEqual(created.ok);
  for (const guest of guests) expect(await inboxOf(guest)).toMatchObject([{ seq: 1, turn: 1 }]);
});

describe("a commit that loses", () => {
  test("leaves nothing behind that anybody sees; its claims are staged anew, and land with the next", async () => {
    const { alice, guests, conversation, accounts } = await crowd(3);
    const bob = await member(alice, conversation);
    const welcomes = guests.map((guest) => welcomeFor(guest, alice));
    const [first, second] = [randomId(), randomId()];
    await stageThem(alice, conversation, first, welcomes);
    expect((await ask(bob, "commit", commitOf(conversation, { turn: 2 }))).ok).toBeDefined();
    const lost = commitOf(conversation, { turn: 2, entry: first, add: accounts, staged: true });
    expect((await ask(alice, "commit", lost)).error?.code).toBe("stale");
    for (const guest of guests) expect(await inboxOf(guest)).toEqual([]);

    const staged = await stageThem(alice, conversation, second, fresh(guests, alice, welcomes));
    expect(staged.ok).toEqual({});
    const next = commitOf(conversation, { turn: 3, entry: second, add: accounts, staged: true });
    expect((await ask(alice, "commit", next)).ok).toMatchObject({ turn: 3 });
    for (const guest of guests) expect(await inboxOf(guest)).toMatchObject([{ turn: 4, payload: payload(7) }]);
  });

  test("cannot land later with a stage whose claims went on: one claim brings nobody into two conversations", async () => {
    const { alice, guests, conversation, accounts } = await crowd(3);
    const other = await group([alice]);
    const welcomes = guests.map((guest) => welcomeFor(guest, alice));
    const [first, second] = [randomId(), randomId()];
    await stageThem(alice, conversation, first, welcomes);
    // One of them is enough.
    expect((await stageThem(alice, other, second, welcomes.slice(0, 1))).ok).toEqual({});
    const commit = commitOf(conversation, { entry: first, add: accounts, staged: true });
    expect((await ask(alice, "commit", commit)).error?.code).toBe("key_package_not_claimed");
    expect((await stageThem(alice, conversation, first, welcomes)).error?.code).toBe("key_package_not_claimed");
    const [account] = accounts;
    const landing = commitOf(other, { entry: second, add: [account!], staged: true });
    expect((await ask(alice, "commit", landing)).ok).toBeDefined();
    // And what landed is not taken away again.
    expect((await stageThem(alice, conversation, randomId(), welcomes.slice(0, 1))).error?.code).toBe(
      "key_package_not_claimed",
    );
    expect(await inboxOf(guests[0]!)).toMatchObject([{ conversation: other }]);
  });

  test("also where the claim goes on while the commit is on its way", async () => {
    const { stage, alice, guests, conversation, accounts } = await crowd(2);
    const other = await group([alice]);
    const welcomes = guests.map((guest) => welcomeFor(guest, alice));
    const entry = randomId();
    await stageThem(alice, conversation, entry, welcomes);
    const { landing } = stage.relay;
    const land: typeof landing.land = async (write) => {
      if (write.conversation === conversation) await stageThem(alice, other, randomId(), welcomes.slice(0, 1));
      return landing.land(write);
    };
    const racing = { ...alice, stage: { ...stage, relay: { ...stage.relay, landing: { land } } } };
    const commit = commitOf(conversation, { entry, add: accounts, staged: true });
    expect((await ask(racing, "commit", commit)).error?.code).toBe("key_package_not_claimed");
    expect(await stage.relay.conversations.get(conversation)).toMatchObject({ turn: 1, roster: ["alice"] });
  });
});

/** The same claims, with other Welcomes. */
const fresh = (guests: readonly Device[], by: Device, welcomes: readonly Welcome[]): readonly Welcome[] =>
  guests.map((guest, i) => ({ device: guest.caller.device, claim: welcomes[i]!.claim, payload: payload(7) }));

/** Bob, by a commit of alice's. */
async function member(alice: Device, conversation: string): Promise<Device> {
  const bob = await person(alice.stage, "bob");
  const add = commitOf(conversation, { add: ["bob"], welcomes: [welcomeFor(bob, alice)] });
  expect((await ask(alice, "commit", add)).ok).toBeDefined();
  return bob;
}

describe("nobody else's", () => {
  test("a stage is its account's: another member does not land with it, nor add to it, nor end it", async () => {
    const { stage, alice, guests, conversation, accounts } = await crowd(2);
    const bob = await member(alice, conversation);
    const entry = randomId();
    const welcomes = guests.map((guest) => welcomeFor(guest, alice));
    await stageThem(alice, conversation, entry, welcomes);
    const commit = commitOf(conversation, { turn: 2, entry, add: accounts, staged: true });
    expect((await ask(bob, "commit", commit)).error?.code).toBe("key_package_not_claimed");
    // His own claims, under the same name, are another stage.
    const [guest] = guests;
    const own = welcomeFor(guest!, bob, 9);
    expect((await stageThem(bob, conversation, entry, [own])).ok).toEqual({});
    expect((await stageThem(bob, conversation, entry, welcomes)).error?.code).toBe("key_package_not_claimed");
    expect((await ask(bob, "commit", commit)).error?.code).toBe("key_package_not_claimed");
    expect((await ask(alice, "commit", commit)).ok).toBeDefined();
    expect(await inboxOf(guest!)).toMatchObject([{ id: welcomes[0]!.claim }]);
    expect((await stage.relay.conversations.get(conversation))?.lastCommit.by).toBe("alice");
  });

  test("a claim of another account, none at all, one that was used: key_package_not_claimed, and nothing is seen", async () => {
    const { stage, alice, guests, conversation } = await crowd(1);
    const mallory = await person(stage, "mallory");
    const [guest] = guests;
    const foreign = welcomeFor(guest!, mallory);
    const used = welcomeFor(guest!, alice);
    await ask(alice, "commit", commitOf(conversation, { add: ["guest-0"], welcomes: [used] }));
    const none = { ...foreign, claim: `0${randomId()}` };
    const elsewhere = { ...welcomeFor(guest!, alice), device: mallory.caller.device };
    for (const wrong of [foreign, used, none, elsewhere]) {
      const entry = randomId();
      const good = welcomeFor(guest!, alice);
      const { error } = await stageThem(alice, conversation, entry, [good, wrong]);
      expect(error?.code).toBe("key_package_not_claimed");
      const commit = commitOf(conversation, { turn: 2, entry, staged: true });
      expect((await ask(alice, "commit", commit)).error?.code).toBe("key_package_not_claimed");
    }
    expect(await inboxOf(guest!)).toHaveLength(1);
    expect((await stageThem(alice, conversation, randomId(), [used, used])).error?.code).toBe("malformed");
    expect((await stageThem(mallory, conversation, randomId(), [foreign])).error?.code).toBe("not_a_member");
  });

  test("a device cannot delete what it does not see yet, and so make a commit fail", async () => {
    const { alice, guests, conversation, accounts } = await crowd(1);
    const [guest] = guests;
    const welcome = welcomeFor(guest!, alice);
    const entry = randomId();
    await stageThem(alice, conversation, entry, [welcome]);
    await ask(guest!, "acknowledgeInbox", { ids: [welcome.claim] });
    expect(
      (await ask(alice, "commit", commitOf(conversation, { entry, add: accounts, staged: true }))).ok,
    ).toBeDefined();
    expect(await inboxOf(guest!)).toHaveLength(1);
  });

  test("an account comes in that was staged on one of its devices, and no other", async () => {
    const { alice, guests, conversation } = await crowd(2);
    const [first, second] = guests;
    const tablet = await sibling(first!);
    const entry = randomId();
    await stageThem(alice, conversation, entry, [welcomeFor(tablet, alice)]);
    const both = commitOf(conversation, { entry, add: ["guest-0", "guest-1"], staged: true });
    expect((await ask(alice, "commit", both)).error?.code).toBe("key_package_not_claimed");
    expect(pushes(second!, "entries")).toEqual([]);
    expect((await ask(alice, "commit", { ...both, add: ["guest-0"] })).ok).toBeDefined();
  });
});

test("a stage holds so many", async () => {
  const { stage, alice, guests, conversation } = await crowd(1);
  const entry = randomId();
  const devices = Array.from({ length: limits.stagedWelcomes }, (_, i) => `device-${i}`);
  const name = { conversation, entry, by: "alice" };
  await stage.relay.stages.note(name, devices, Math.ceil(stage.now / 1_000) + 9);
  const { error } = await stageThem(alice, conversation, entry, [welcomeFor(guests[0]!, alice)]);
  expect(error?.code).toBe("limit_exceeded");
});

test("what was staged and never landed lands no more after a day, and is gone when its device looks", async () => {
  const { stage, alice, guests, conversation, accounts } = await crowd(2);
  const [guest, other] = guests;
  const entry = randomId();
  const welcomes = guests.map((one) => welcomeFor(one, alice));
  await stageThem(alice, conversation, entry, welcomes);
  const places = stage.memory.tables.inbox.get(guest!.caller.device)!;
  stage.now += day + 1_000;
  const socket = { ...later(alice), caller: { ...later(alice).caller, connectedAt: stage.now } };
  await ask(socket, "hello", {});
  const commit = commitOf(conversation, { entry, add: accounts, staged: true });
  expect((await ask(socket, "commit", commit)).error?.code).toBe("key_package_not_claimed");
  expect(places.size).toBe(1);
  stage.now += day;
  await stage.relay.inbox.page("guest-0", guest!.caller.device, undefined, 10);
  expect(places.size).toBe(0);
  expect(stage.memory.tables.inbox.get(other!.caller.device)?.size).toBe(1);
});

test("what staged Welcomes refer to is kept", async () => {
  const { stage, alice, guests, conversation } = await crowd(1);
  const blob = { hash: sha256("welcome"), size: 10 };
  const welcome = { ...welcomeFor(guests[0]!, alice), payload: { blob } };
  expect((await stageThem(alice, conversation, randomId(), [welcome])).error?.code).toBe("blob_missing");
  stage.memory.tables.blobs.set(`staging/${blob.hash}`, { size: 10, modified: stage.now });
  expect((await stageThem(alice, conversation, randomId(), [welcome])).ok).toEqual({});
  expect(stage.memory.tables.blobs.has(`kept/${blob.hash}`)).toBe(true);
});
