/** What the platform says of the device, and what comes of it: networks that change, apps that nobody looks at. */
import { connect, type Client, type Conversation, type DeviceHint, type DeviceHints } from "@tacit/client";
import { memoryStore } from "@tacit/client/memory";
import type { Operation } from "@tacit/protocol";
import { browserHints, type BrowserLike } from "../../client/src/adapters/browserHints.ts";
import { reactNativeHints, type NetInfoStateLike } from "../../client/src/adapters/reactNative.ts";
import { connectionStage, type FarEnd } from "./support/connectionStage.ts";
import { linked } from "./support/household.ts";
import { stage as clientStage, suite, type Stage } from "./support/stage.ts";

const minute = 60_000;
const hellos = ({ received }: FarEnd): number => received.filter(({ op }) => op === "hello").length;
const resting = { status: "offline", resting: true };

describe("a network that changes", () => {
  it("makes a socket be looked at within a second, and left alone where it answers", async () => {
    const stage = connectionStage();
    await stage.begin();
    stage.hint("networkChanged");
    await stage.clock.advance(1_001);
    expect(hellos(stage.sockets[0]!)).toBe(2);
    await stage.clock.advance(minute);
    expect(stage.sockets).toHaveLength(1);
    stage.connection.close();
  });

  it("and takes the socket with it: a successor is in use within three seconds", async () => {
    const stage = connectionStage();
    await stage.begin();
    stage.onFrame = ({ number }) => number !== 0;
    const lost = stage.connection.request("countKeyPackages", {}).catch((error: Error) => error.name);
    stage.hint("networkChanged");
    await stage.clock.advance(2_600);
    expect(stage.sockets).toHaveLength(2);
    expect(stage.connection.isUp).toBe(true);
    // What the dead one was asked is not waited for.
    expect(await lost).toBe("LostAnswer");
    expect(stage.states.some(({ status }, index) => index > 0 && status === "offline")).toBe(false);
    stage.connection.close();
  });

  it("ends a wait: the next attempt is made within a second", async () => {
    const stage = connectionStage();
    await stage.begin();
    stage.onOpen = (socket) => (socket.end(1006), false);
    stage.sockets[0]!.end(1006);
    await stage.clock.advance(5 * minute);
    const before = stage.sockets.length;
    stage.onOpen = () => true;
    stage.hint("networkUp");
    await stage.clock.advance(1_001);
    expect(stage.sockets).toHaveLength(before + 1);
    expect(stage.connection.state.current.status).toBe("online");
    stage.connection.close();
  });

  it("ends an attempt that hangs on the network that is gone", async () => {
    const stage = connectionStage();
    stage.onOpen = () => false;
    await stage.begin();
    await stage.clock.advance(5_000);
    stage.onOpen = () => true;
    stage.hint("networkChanged");
    await stage.clock.advance(1_001);
    expect(stage.sockets).toHaveLength(2);
    expect(stage.sockets[0]!.isOver).toBe(true);
    expect(stage.connection.state.current.status).toBe("online");
    stage.connection.close();
  });

  it("again and again is attended to no more than ten times a minute", async () => {
    const stage = connectionStage();
    await stage.begin();
    stage.onOpen = (socket) => (socket.end(1006), false);
    stage.sockets[0]!.end(1006);
    await stage.clock.advance(10 * minute);
    const before = stage.sockets.length;
    for (let flap = 0; flap < 600; flap++) {
      stage.hint(flap % 2 === 0 ? "networkDown" : "networkUp");
      await stage.clock.advance(100);
    }
    stage.hint("networkUp");
    await stage.clock.advance(1_000);
    expect(stage.sockets.length - before).toBeLessThanOrEqual(13);
    stage.connection.close();
  });

  it("down: attempts become rare, and go on, for the hint may be wrong", async () => {
    const stage = connectionStage();
    await stage.begin();
    stage.hint("networkDown");
    stage.onOpen = (socket) => (socket.end(1006), false);
    stage.sockets[0]!.end(1006);
    await stage.clock.advance(60 * minute);
    const attempts = stage.sockets.length - 1;
    expect(attempts).toBeGreaterThan(10);
    expect(attempts).toBeLessThan(60);
    stage.onOpen = () => true;
    await stage.clock.advance(5 * minute);
    expect(stage.connection.state.current.status).toBe("online");
    stage.connection.close();
  });

  it("down, said again and again, is no reason to try", async () => {
    const stage = connectionStage();
    await stage.begin();
    stage.onOpen = (socket) => (socket.end(1006), false);
    stage.sockets[0]!.end(1006);
    await stage.clock.advance(10 * minute);
    stage.hint("networkDown");
    await stage.clock.advance(minute);
    const before = stage.sockets.length;
    for (let time = 0; time < 50; time++) {
      stage.hint("networkDown");
      await stage.clock.advance(6_000);
    }
    // Five minutes of patience: a few attempts, and not fifty.
    expect(stage.sockets.length - before).toBeLessThan(10);
    stage.connection.close();
  });

  it("down while the socket is fine: it is kept", async () => {
    const stage = connectionStage();
    await stage.begin();
    stage.hint("networkDown");
    await stage.clock.advance(10 * minute);
    expect(stage.sockets).toHaveLength(1);
    expect(stage.connection.state.current.status).toBe("online");
    stage.connection.close();
  });
});

describe("an app that nobody looks at", () => {
  it("lets the connection go after a while, leaves no timer, and is back when somebody looks", async () => {
    const stage = connectionStage({ restAfter: 10_000 });
    await stage.begin();
    stage.hint("background");
    await stage.clock.advance(9_000);
    expect(stage.connection.state.current.status).toBe("online");
    await stage.clock.advance(1_500);
    expect(stage.connection.state.current).toEqual(resting);
    expect(stage.live()).toBe(0);
    const timers = jest.spyOn(stage.wall, "after");
    await stage.clock.advance(24 * 60 * minute);
    expect(timers).not.toHaveBeenCalled();
    stage.hint("foreground");
    await stage.clock.settle();
    expect(stage.connection.state.current.status).toBe("online");
    await stage.clock.advance(minute);
    expect(stage.live()).toBe(1);
    stage.connection.close();
  });

  it("that comes back soon has lost nothing", async () => {
    const stage = connectionStage({ restAfter: 10_000 });
    await stage.begin();
    for (let glance = 0; glance < 20; glance++) {
      stage.hint("background");
      await stage.clock.advance(9_000);
      stage.hint("foreground");
      await stage.clock.advance(9_000);
    }
    expect(stage.sockets).toHaveLength(1);
    stage.connection.close();
  });

  it("comes back when something is to be sent, and rests again after that", async () => {
    const stage = connectionStage({ restAfter: 10_000 });
    await stage.begin();
    stage.hint("background");
    await stage.clock.advance(20_000);
    stage.connection.need();
    await stage.clock.settle();
    expect(stage.connection.state.current.status).toBe("online");
    await stage.clock.advance(10_001);
    expect(stage.connection.state.current).toEqual(resting);
    stage.connection.close();
  });

  it("finishes what is under way first, and not for longer than half a minute", async () => {
    const stage = connectionStage({ restAfter: 5_000 });
    await stage.begin();
    stage.onFrame = (_socket, { op }) => op !== "countKeyPackages";
    const [first] = stage.sockets as [FarEnd];
    const answer = stage.connection.request("countKeyPackages", {});
    stage.hint("background");
    await stage.clock.advance(5_500);
    first.answer(
      first.received.find(({ op }) => op === "countKeyPackages")!,
      { count: 1, lastResort: true },
    );
    expect(await stage.clock.until(answer)).toMatchObject({ count: 1 });
    await stage.clock.advance(3_100);
    expect(stage.connection.state.current).toEqual(resting);
    stage.connection.close();

    const busy = connectionStage({ restAfter: 5_000, isBusy: () => true });
    await busy.begin();
    busy.hint("background");
    await busy.clock.advance(30_000);
    expect(busy.connection.state.current.status).toBe("online");
    await busy.clock.advance(6_000);
    expect(busy.connection.state.current).toEqual(resting);
    busy.connection.close();
  });

  it("lets go at once when the process is about to be stopped, also in the middle of an attempt", async () => {
    const stage = connectionStage();
    await stage.begin();
    stage.hint("suspending");
    expect(stage.live()).toBe(0);
    expect(stage.connection.state.current).toEqual(resting);
    // Woken, and still hidden: a page that lives on goes on.
    stage.onOpen = () => false;
    stage.hint("background");
    await stage.clock.settle();
    expect(stage.live()).toBe(1);
    stage.hint("suspending");
    expect(stage.live()).toBe(0);
    stage.onOpen = () => true;
    stage.hint("foreground");
    await stage.clock.settle();
    expect(stage.connection.state.current.status).toBe("online");
    stage.connection.close();
  });

  it("does not come back where it was told to stay away, or is closed", async () => {
    const stage = connectionStage({ restAfter: 1_000 });
    await stage.begin();
    stage.hint("background");
    await stage.clock.advance(2_000);
    stage.connection.stop();
    stage.hint("foreground");
    stage.connection.need();
    await stage.clock.advance(minute);
    expect(stage.sockets).toHaveLength(1);
    expect(stage.connection.state.current).toEqual({ status: "offline" });
    stage.connection.close();
    stage.hint("foreground");
    stage.connection.start();
    await stage.clock.advance(minute);
    expect(stage.sockets).toHaveLength(1);
  });

  it("asks rarely where it may stay connected, and cannot be", async () => {
    const stage = connectionStage();
    await stage.begin();
    stage.hint("background");
    stage.onOpen = (socket) => (socket.end(1006), false);
    stage.sockets[0]!.end(1006);
    await stage.clock.advance(60 * minute);
    expect(stage.sockets.length).toBeLessThan(60);
    stage.connection.close();
  });

  it("knows what it missed when it is asked after a long silence: the socket is looked at before it counts", async () => {
    let reads = 0;
    const stage = connectionStage({ catchUp: async () => void reads++ });
    await stage.begin();
    stage.hint("background");
    stage.sleep(30 * minute);
    stage.onFrame = ({ number }) => number !== 0;
    stage.connection.freshen();
    expect(stage.connection.state.current.status).toBe("catchingUp");
    await stage.clock.advance(3_000);
    expect(stage.sockets).toHaveLength(2);
    expect(stage.connection.state.current.status).toBe("online");
    const before = reads;
    stage.connection.freshen();
    expect(stage.connection.state.current.status).toBe("online");
    expect(reads).toBe(before);
    stage.connection.close();
  });
});

describe("a client", () => {
  async function phone(): Promise<{
    readonly stage: Stage;
    readonly alice: Client;
    readonly tell: (hint: DeviceHint) => void;
  }> {
    const stage = clientStage();
    const { clock, relay } = stage;
    let tell: (hint: DeviceHint) => void = () => {};
    const hints: DeviceHints = { restAfter: 3_000, watch: (listener) => ((tell = listener), () => {}) };
    const { url, transport, blobs } = relay;
    const options = { url, token: relay.token("alice"), store: memoryStore(), suite, transport, blobs, clock, hints };
    const alice = await clock.until(connect(options));
    return { stage, alice, tell: (hint) => tell(hint) };
  }

  it("rests in the background, and is caught up when it is woken for that", async () => {
    const { stage, alice, tell } = await phone();
    const { clock, relay } = stage;
    tell("background");
    await clock.advance(10_000);
    expect(alice.connection.current).toEqual(resting);
    expect(relay.sockets).toBe(0);
    await clock.until(alice.caughtUp());
    expect(relay.sockets).toBe(1);
    await clock.advance(10_000);
    expect(relay.sockets).toBe(0);
    alice.hint("foreground");
    await clock.settle();
    expect(relay.sockets).toBe(1);
    await alice.close();
  });

  it("sends from the background, and rests when that is done", async () => {
    const { stage, alice, tell } = await phone();
    const { clock, relay } = stage;
    const bob = await stage.arrive("bob");
    const chat = await clock.until(alice.conversation({ with: ["bob"] }));
    tell("background");
    await clock.advance(10_000);
    expect(alice.connection.current).toEqual(resting);
    const { sent } = await clock.until(chat.send({ text: "on my way" }));
    expect((await clock.until(sent)).text).toBe("on my way");
    await clock.advance(40_000);
    expect(alice.connection.current).toEqual(resting);
    expect(relay.sockets).toBe(1);
    await alice.close();
    await bob.close();
  });

  it.each<[string, Operation, (alice: Client, group: Conversation) => Promise<unknown>]>([
    ["invites", "commit", (_, group) => group.invite(["carol"])],
    ["removes", "commit", (_, group) => group.remove(["bob"])],
    ["sets a role", "commit", (_, group) => group.setRole("bob", "admin")],
    ["sets a title", "commit", (_, group) => group.setTitle("another")],
    ["renews keys", "commit", (_, group) => group.rotateKeys()],
    ["leaves", "propose", (_, group) => group.leave()],
    ["opens a conversation", "createConversation", (alice) => alice.conversation({ with: ["carol"] })],
    ["creates a group", "createConversation", (alice) => alice.createGroup({ members: ["carol"] })],
    ["sets a picture", "uploadBlob", (_, group) => group.setPicture(new Uint8Array(100))],
    ["shows a stranger's safety number", "getAccount", (alice) => alice.safetyNumber("carol")],
    [
      "does several things at once",
      "uploadBlob",
      (alice, group) => Promise.all([alice.safetyNumber("carol"), group.setPicture(new Uint8Array(100))]),
    ],
    ["creates a recovery code", "putBackup", (alice) => alice.createRecoveryCode()],
    ["renames a device", "putAccount", (alice) => alice.renameDevice(alice.device, "phone")],
  ])("%s from the background, and rests when that is done", async (_name, operation, act) => {
    const { stage, alice, tell } = await phone();
    const { clock, relay } = stage;
    const others = [await stage.arrive("bob"), await stage.arrive("carol")];
    const group = await clock.until(alice.createGroup({ title: "one", members: ["bob"] }));
    tell("background");
    await clock.advance(10_000);
    expect(alice.connection.current).toEqual(resting);
    const asked = new Set<string | undefined>();
    relay.filter = ({ direction, account, frame: { op } }) => {
      if (direction === "up" && account === "alice") asked.add(op);
      return true;
    };
    await clock.until(act(alice, group));
    expect(asked).toContain(operation);
    await clock.advance(40_000);
    expect(alice.connection.current).toEqual(resting);
    for (const client of [alice, ...others]) await client.close();
  });

  it("links a device from the background, and rests when that is done", async () => {
    const { stage, alice, tell } = await phone();
    const { clock } = stage;
    tell("background");
    await clock.advance(10_000);
    const { client } = await linked(stage, alice);
    expect(alice.devices()).toHaveLength(2);
    await clock.advance(40_000);
    expect(alice.connection.current).toEqual(resting);
    for (const each of [alice, client]) await each.close();
  });

  it("has a change that takes long in hand when it would rest: that is finished first", async () => {
    const { stage, alice, tell } = await phone();
    const { clock, relay } = stage;
    const carol = await stage.arrive("carol");
    const group = await clock.until(alice.createGroup({ title: "one", members: [] }));
    relay.filter = ({ direction, frame, deliver }) => {
      if (direction === "down" || frame.op !== "claimKeyPackages") return true;
      deliver(
        JSON.stringify({ id: frame["id"], error: { code: "busy", retryable: true, message: "", retryAfter: 9_000 } }),
      );
      relay.filter = () => true;
      return false;
    };
    const done = group.invite(["carol"]);
    await clock.settle();
    tell("background");
    await clock.until(done);
    expect(group.members).toEqual(["alice", "carol"]);
    await clock.advance(40_000);
    expect(alice.connection.current).toEqual(resting);
    for (const each of [alice, carol]) await each.close();
  });
});

describe("the hints of a page", () => {
  function page(): { browser: BrowserLike; document: EventTarget & { visibilityState: string }; online: boolean } {
    const document = Object.assign(new EventTarget(), { visibilityState: "visible" });
    const connection = new EventTarget();
    const state = { document, online: true, browser: undefined as unknown as BrowserLike };
    state.browser = Object.assign(new EventTarget(), {
      document,
      navigator: {
        connection,
        get onLine() {
          return state.online;
        },
      },
    });
    return state;
  }
  const persisted = (type: string): Event => Object.assign(new Event(type), { persisted: true });

  it("say whether it is looked at, about to be frozen, and on another network", () => {
    const { browser, document } = page();
    const heard: DeviceHint[] = [];
    const end = browserHints(browser).watch((hint) => heard.push(hint));
    expect(heard).toEqual([]);
    document.visibilityState = "hidden";
    document.dispatchEvent(new Event("visibilitychange"));
    browser.dispatchEvent(persisted("pagehide"));
    document.visibilityState = "visible";
    browser.dispatchEvent(persisted("pageshow"));
    document.dispatchEvent(new Event("freeze"));
    document.dispatchEvent(new Event("resume"));
    browser.dispatchEvent(new Event("offline"));
    browser.dispatchEvent(new Event("online"));
    browser.navigator!.connection!.dispatchEvent(new Event("change"));
    expect(heard).toEqual([
      "background",
      "suspending",
      "foreground",
      "suspending",
      "foreground",
      "networkDown",
      "networkUp",
      "networkChanged",
    ]);
    // A page that is left for good closes its socket itself.
    browser.dispatchEvent(new Event("pagehide"));
    end();
    document.dispatchEvent(new Event("visibilitychange"));
    browser.dispatchEvent(new Event("offline"));
    expect(heard).toHaveLength(8);
  });

  it("begin with what is not as usual, and need neither document nor navigator", () => {
    const state = page();
    state.document.visibilityState = "hidden";
    state.online = false;
    const heard: DeviceHint[] = [];
    browserHints(state.browser).watch((hint) => heard.push(hint));
    expect(heard).toEqual(["background", "networkDown"]);
    browserHints(new EventTarget()).watch((hint) => heard.push(hint))();
    expect(heard).toHaveLength(2);
  });
});

describe("the hints of React Native", () => {
  it("pass over what passes, and networks that are the same", () => {
    let appState: (state: string) => void = () => {};
    let netInfo: (state: NetInfoStateLike) => void = () => {};
    let ended = 0;
    const heard: DeviceHint[] = [];
    const end = reactNativeHints({
      AppState: {
        currentState: "background",
        addEventListener: (_type, listener) => ((appState = listener), { remove: () => void ended++ }),
      },
      NetInfo: { addEventListener: (listener) => ((netInfo = listener), () => void ended++) },
    }).watch((hint) => heard.push(hint));
    expect(heard).toEqual(["background"]);
    appState("active");
    appState("inactive");
    appState("background");
    expect(heard.splice(0)).toEqual(["background", "foreground", "background"]);
    const wifi = { type: "wifi", isConnected: true, details: { ipAddress: "10.0.0.2", strength: 90 } };
    netInfo({ type: "unknown", isConnected: null });
    netInfo(wifi);
    netInfo({ ...wifi, details: { ...wifi.details, strength: 20 } });
    expect(heard).toEqual([]);
    netInfo({ ...wifi, details: { ipAddress: "10.9.0.2" } });
    netInfo({ type: "cellular", isConnected: true, details: {} });
    netInfo({ type: "none", isConnected: false });
    netInfo({ type: "none", isConnected: false });
    netInfo(wifi);
    expect(heard).toEqual(["networkChanged", "networkChanged", "networkDown", "networkUp"]);
    end();
    expect(ended).toBe(2);
  });
});
