/** Invitations of so many that their Welcomes are staged: they survive commits of others in between, and crashes of whoever invites. */
import { connect, type BlobTransfer, type Client, type Conversation } from "@tacit/client";
import { memoryStore, type MemoryStore } from "@tacit/client/memory";
import type { LiveConversation } from "../../client/src/conversation/liveConversation.ts";
import { doom, type Doom } from "./support/crash.ts";
import { sleepers, type Sleepers } from "./support/sleepers.ts";
import { stage, suite, type Stage } from "./support/stage.ts";

const invited = 72;
const crashes = 7;
const snapshotOf = (conversation: Conversation) => (conversation as LiveConversation).snapshot;

let many: Sleepers;
beforeAll(async () => {
  many = await sleepers(invited, 3);
}, 120_000);

interface World extends Stage {
  readonly bob: Client;
  readonly carol: Client;
  /** Commits that bob made while the Welcomes were laid. */
  readonly disturbances: { count: number };
}

/** With bob, who commits in between as often as is said, and carol, who is invited and awake. */
async function world(disturbances: number): Promise<World> {
  const s = stage();
  many.lieDown(s);
  const [bob, carol] = [await s.arrive("bob"), await s.arrive("carol")];
  const done = { count: 0 };
  s.relay.filter = ({ direction, account, frame }) => {
    if (direction === "up" && account === "alice" && frame.op === "stageWelcomes" && done.count < disturbances) {
      done.count++;
      void bob.conversations()[0]?.rotateKeys();
    }
    return true;
  };
  return { ...s, bob, carol, disturbances: done };
}

/** A life of alice: opens the group where there is none, and invites everybody. */
async function life({ relay, clock, bob }: World, store: MemoryStore, fate?: Doom): Promise<Client> {
  const alice = await connect({
    url: relay.url,
    token: relay.token("alice"),
    store: fate === undefined ? store : fate.store(store),
    transport: fate === undefined ? relay.transport : fate.transport(relay.transport),
    blobs: relay.blobs,
    suite,
    clock: fate === undefined ? clock : fate.clock(clock),
  });
  const group = alice.conversations()[0] ?? (await alice.createGroup({ title: "Crowd", members: ["bob"] }));
  void bob.conversations()[0]?.accept();
  await group.invite([...many.names, "carol"]);
  return alice;
}

async function expectWhole(w: World, alice: Client, spare: number): Promise<void> {
  await w.clock.advance(120_000);
  const everybody = ["alice", "bob", "carol", ...many.names];
  const views = [alice, w.bob, w.carol].map((client) => client.conversations()[0]!);
  for (const view of views) expect(view.members).toEqual(everybody);
  const states = views.map(snapshotOf);
  expect(new Set(states.map(({ group }) => String(group!.epoch.secrets.epochAuthenticator))).size).toBe(1);
  expect(states.map(({ intents }) => intents.length)).toEqual([0, 0, 0]);
  expect(await many.welcomes(w)).toEqual(many.names.map(() => [views[0]!.id]));
  const taken = many.taken(w);
  expect(Math.min(...taken)).toBe(1);
  expect(Math.max(...taken)).toBeLessThanOrEqual(1 + spare);
  expect(w.relay.unexpected).toEqual([]);
  for (const client of [alice, w.bob, w.carol]) await client.close();
}

it("whoever loses against others in between invites with the key packages that were claimed", async () => {
  const w = await world(3);
  const alice = await w.clock.until(life(w, memoryStore()));
  expect(w.disturbances.count).toBe(3);
  await expectWhole(w, alice, 0);
}, 120_000);

it("after a commit that got lost, what is laid in place already is not laid again", async () => {
  const w = await world(0);
  const asked: Record<string, number> = {};
  let lost = 0;
  w.relay.filter = ({ direction, account, frame }) => {
    if (direction === "down" || account !== "alice") return true;
    const isLost = frame.op === "commit" && lost < 2;
    if (isLost) lost++;
    else asked[frame.op!] = (asked[frame.op!] ?? 0) + 1;
    return !isLost;
  };
  const alice = await w.clock.until(life(w, memoryStore()));
  expect(lost).toBe(2);
  const staged = asked["stageWelcomes"];
  // The tree and the commit, once each.
  expect(asked).toMatchObject({ commit: 1, uploadBlob: 2 });
  expect(staged).toBeLessThanOrEqual(Math.ceil((invited + 1) / 20));
  await expectWhole(w, alice, 0);
}, 120_000);

it("whoever could not fetch the tree joins a little later", async () => {
  const s = stage();
  many.lieDown(s);
  const bob = await s.arrive("bob");
  let failures = 0;
  const { blobs } = s.relay;
  const faulty: BlobTransfer = {
    ...blobs,
    get: (url, size) => (failures++ < 3 ? Promise.reject(new Error("the bucket is busy")) : blobs.get(url, size)),
  };
  const carol = await s.arrive("carol", { blobs: faulty });
  const alice = await s.clock.until(life({ ...s, bob, carol, disturbances: { count: 0 } }, memoryStore()));
  await s.clock.advance(20_000);
  expect(failures).toBeGreaterThan(3);
  expect(carol.conversations()[0]?.members).toEqual(alice.conversations()[0]!.members);
  for (const client of [alice, bob, carol]) await client.close();
}, 120_000);

describe("whoever invites dies", () => {
  let steps = 0;
  beforeAll(async () => {
    const w = await world(1);
    const fate = doom(Infinity, w.clock);
    const alice = await w.clock.until(life(w, memoryStore(), fate));
    steps = fate.steps;
    await expectWhole(w, alice, 0);
  }, 120_000);

  it.each(Array.from({ length: crashes }, (_, index) => index))(
    "at step %# of several, and comes back",
    async (index) => {
      const w = await world(1);
      const store = memoryStore();
      // The last steps are those of inviting; before them the device registers and the group is created.
      const fate = doom(Math.floor(steps * (0.3 + (0.68 * index) / (crashes - 1))), w.clock);
      const firstLife = life(w, store, fate);
      firstLife.catch(() => {});
      await w.clock.until(Promise.race([fate.died, firstLife]));
      expect(fate.isDead).toBe(true);
      await store.close();
      const alice = await w.clock.until(life(w, store.reopen()));
      // What was claimed, and not stored yet, is claimed anew.
      await expectWhole(w, alice, 1);
    },
    120_000,
  );
});
