/**
 * The holder, or the new device, dies at any step of linking, naming and revoking, and comes back from its store: what was promised happens,
 * and the holder never signs two versions of the record with one number.
 */
import { connect, type Client, type TacitError } from "@tacit/client";
import { memoryStore } from "@tacit/client/memory";
import { doom, type Doom } from "./support/crash.ts";
import { codeOf, connecting, linked, newcomer } from "./support/household.ts";
import { stage, type Stage } from "./support/stage.ts";

/** Watches what is put: version -> payloads. */
function versionsOf({ relay }: Stage): ReadonlyMap<number, ReadonlySet<string>> {
  const versions = new Map<number, Set<string>>();
  relay.filter = ({ direction, frame, account }) => {
    if (direction === "up" && frame.op === "putAccount" && account === "alice") {
      const { payload } = frame["record"] as { readonly payload: string };
      const { version } = JSON.parse(Buffer.from(payload, "base64url").toString()) as { readonly version: number };
      versions.set(version, (versions.get(version) ?? new Set()).add(payload));
    }
    return true;
  };
  return versions;
}

const names = (client: Client) => client.devices().map(({ name }) => name);

/** One number, one version. */
function expectOneEach(versions: ReadonlyMap<number, ReadonlySet<string>>, count: number): void {
  expect([...versions.keys()].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, index) => index + 1));
  for (const payloads of versions.values()) expect(payloads.size).toBe(1);
}

/** The holder dies at its `k`-th step while it links a phone. Says how many steps its first life had. */
async function linkingHolder(k: number): Promise<number> {
  const world = stage();
  const { clock, relay } = world;
  const versions = versionsOf(world);
  const empty = memoryStore();
  await clock.until((await world.arrive("alice", { store: empty })).close());
  const store = empty.reopen();
  const phone = newcomer(world, "alice", { name: "phone" });
  const { text } = await clock.until(phone.code);

  const fate = doom(k, clock);
  const firstLife = connect(connecting(world, "alice", store, fate));
  const linking = firstLife.then((client) => client.linkDevice(text));
  linking.catch(() => {});
  await clock.until(Promise.race([fate.died, linking.then(() => clock.advance(30_000))]));
  const before = fate.isDead ? undefined : await firstLife;
  await (before === undefined ? store.close() : clock.until(before.close()));

  const alice = await clock.until(connect(connecting(world, "alice", store.reopen())));
  const failures = failuresOf(alice);
  await clock.until(alice.caughtUp());
  // Typed again: it is linked now, or was already.
  expect(["undefined", "link_expired"]).toContain(await clock.until(codeOf(alice.linkDevice(text))));
  const client = await clock.until(phone.connected);
  await clock.until(client.caughtUp());
  for (const each of [alice, client]) expect(names(each)).toEqual([undefined, "phone"]);
  expectOneEach(versions, 2);
  expect(failures).toEqual([]);
  expect(relay.unexpected).toEqual([]);
  for (const each of [alice, client]) await clock.until(each.close());
  return fate.steps;
}

/** The holder dies while it names one device and takes out another. */
async function revokingHolder(k: number): Promise<number> {
  const world = stage();
  const { clock, relay } = world;
  const versions = versionsOf(world);
  const empty = memoryStore();
  const first = await world.arrive("alice", { store: empty });
  const { client: phone } = await linked(world, first, { name: "phone" });
  const { client: tablet } = await linked(world, first, { name: "tablet" });
  await clock.advance(1_000);
  await clock.until(first.close());
  const store = empty.reopen();

  const change = async (client: Client): Promise<void> => {
    await client.renameDevice(phone.device, "old phone");
    await client.revokeDevice(tablet.device);
  };
  const fate = doom(k, clock);
  const firstLife = connect(connecting(world, "alice", store, fate));
  const changing = firstLife.then(change);
  changing.catch(() => {});
  await clock.until(Promise.race([fate.died, changing.then(() => clock.advance(10_000))]));
  const before = fate.isDead ? undefined : await firstLife;
  await (before === undefined ? store.close() : clock.until(before.close()));

  const alice = await clock.until(connect(connecting(world, "alice", store.reopen())));
  const failures = [alice, phone].map(failuresOf);
  // Whatever the first life had not promised is done now; doing it twice is doing it once.
  await clock.until(alice.caughtUp());
  if (names(alice)[1] !== "old phone") await clock.until(alice.renameDevice(phone.device, "old phone"));
  await clock.until(alice.revokeDevice(tablet.device));
  await clock.advance(5_000);
  for (const each of [alice, phone]) expect(names(each)).toEqual([undefined, "old phone"]);
  expect(tablet.connection.current).toMatchObject({ status: "closed", reason: { code: "device_revoked" } });
  expectOneEach(versions, 5);
  expect(failures).toEqual([[], []]);
  expect(relay.unexpected).toEqual([]);
  for (const each of [alice, phone, tablet]) await clock.until(each.close());
  return fate.steps;
}

/** The new device dies while it is linked; alice types each code that it shows. */
async function newDevice(k: number): Promise<number> {
  const world = stage();
  const { clock, relay } = world;
  const versions = versionsOf(world);
  const alice = await world.arrive("alice");
  const bob = await world.arrive("bob");
  const chat = await clock.until(alice.conversation({ with: ["bob"] }));
  await clock.until((await clock.until(chat.send({ text: "before" }))).sent);
  const failures = failuresOf(alice);
  const store = memoryStore();
  const live = async (opened: ReturnType<typeof memoryStore>, fate?: Doom): Promise<Client> => {
    const device = newcomer(world, "alice", { store: opened, name: "phone", fate });
    void device.code.then(({ text }) => alice.linkDevice(text)).catch(() => {});
    const client = await device.connected;
    await client.caughtUp();
    return client;
  };
  const fate = doom(k, clock);
  const firstLife = live(store, fate);
  firstLife.catch(() => {});
  await clock.until(Promise.race([fate.died, firstLife.then(() => clock.advance(30_000))]));
  const before = fate.isDead ? undefined : await firstLife;
  await (before === undefined ? store.close() : clock.until(before.close()));

  const phone = await clock.until(live(store.reopen()));
  failures.push(...failuresOf(phone));
  await clock.advance(60_000);
  for (const each of [alice, phone]) expect(names(each)).toEqual([undefined, "phone"]);
  const [atPhone] = phone.conversations();
  const texts: string[] = [];
  const hear = async (): Promise<void> => {
    for await (const { text } of atPhone!.messages()) if (texts.push(text) === 2) return;
  };
  const heard = hear();
  await clock.until((await clock.until(chat.send({ text: "after" }))).sent);
  await clock.until(heard);
  expect(texts).toEqual(["before", "after"]);
  expectOneEach(versions, 2);
  expect(failures).toEqual([]);
  expect(relay.unexpected).toEqual([]);
  for (const each of [alice, bob, phone]) await clock.until(each.close());
  return fate.steps;
}

function failuresOf(client: Client): TacitError[] {
  const failures: TacitError[] = [];
  client.on("failure", (error) => failures.push(error));
  return failures;
}

const plots = [
  ["the holder, linking", linkingHolder, 2],
  ["the holder, naming and revoking", revokingHolder, 2],
  ["the new device", newDevice, 3],
] as const;

describe.each(plots)("%s, dies at any step", (_name, story, stride) => {
  it("and what was promised happens, once", async () => {
    const steps = await story(Number.POSITIVE_INFINITY);
    expect(steps).toBeGreaterThan(20);
    for (let k = 1; k <= steps; k += stride) {
      try {
        await story(k);
      } catch (error) {
        throw new Error(`dying at step ${k} of ${steps}`, { cause: error });
      }
    }
  }, 120_000);
});
