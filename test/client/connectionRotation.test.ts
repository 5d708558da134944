/** A socket takes over from the one before: every race of it. */
import { limits } from "@tacit/protocol";
import { connectionStage, type ConnectionStage, type FarEnd, type Frame } from "./support/connectionStage.ts";

const minute = 60_000;

/** Lets time pass until the next socket is tried. */
async function nextSocket(stage: ConnectionStage): Promise<FarEnd> {
  const before = stage.sockets.length;
  const socket = await stage.clock.until(stage.tried(), limits.connectionLifetime);
  expect(stage.sockets.length).toBe(before + 1);
  return socket;
}

/** Holds back the hello of every socket but the first. */
function heldHello(stage: ConnectionStage): { release(): void; frame(): Frame } {
  let held: { socket: FarEnd; frame: Frame } | undefined;
  stage.onFrame = (socket, frame) => {
    if (socket.number === 0 || frame.op !== "hello" || held !== undefined) return true;
    held = { socket, frame };
    return false;
  };
  return {
    frame: () => held!.frame,
    release() {
      const { socket, frame } = held!;
      stage.sockets[0]!.bye("superseded");
      stage.sockets[0]!.end(1000);
      const serverTime = stage.serverNow();
      const answer = { account: "alice", device: "0".repeat(42) + "A", scope: "full", serverTime };
      socket.answer(frame, { ...answer, leaseUntil: serverTime + limits.connectionLifetime });
    },
  };
}

describe("a renewal", () => {
  it("comes in the last quarter of the lease, and nobody is without a socket", async () => {
    const stage = connectionStage();
    await stage.begin();
    const second = await nextSocket(stage);
    const age = second.openedAt - stage.sockets[0]!.openedAt;
    expect(age).toBeGreaterThanOrEqual(0.75 * limits.connectionLifetime - 1_000);
    expect(age).toBeLessThanOrEqual(0.95 * limits.connectionLifetime + 1_000);
    expect(stage.live()).toBe(1);
    expect(stage.states.map(({ status }) => status)).toEqual([
      "offline",
      "connecting",
      "catchingUp",
      "online",
      "catchingUp",
      "online",
    ]);
    stage.connection.close();
  });

  it("lets the old socket answer what it was asked before it says hello on the new one", async () => {
    const stage = connectionStage();
    await stage.begin();
    let slow: Frame | undefined;
    stage.onFrame = (socket, frame) => {
      if (frame.op !== "countKeyPackages" || slow !== undefined) return true;
      slow = frame;
      // It is heard meanwhile: it is slow, and not gone.
      socket.push({ push: "inbox" });
      return false;
    };
    stage.onOpen = () => false;
    const second = await nextSocket(stage);
    const answer = stage.connection.request("countKeyPackages", {});
    await stage.clock.settle();
    stage.onOpen = () => true;
    second.open();
    await stage.clock.advance(1_000);
    expect(second.received).toEqual([]);
    stage.sockets[0]!.answer(slow!, { count: 7, lastResort: true });
    await stage.clock.settle();
    expect(second.received.map(({ op }) => op)).toEqual(["hello"]);
    expect(await answer).toMatchObject({ count: 7 });
    expect(stage.sockets[0]!.isOver).toBe(true);
    stage.connection.close();
  });

  it("does not wait for answers without end: what the old one never answered is lost", async () => {
    const stage = connectionStage();
    await stage.begin();
    stage.onFrame = (_socket, frame) => frame.op !== "countKeyPackages";
    stage.onOpen = () => false;
    const second = await nextSocket(stage);
    const answer = stage.connection.request("countKeyPackages", {}).catch((error: Error) => error.name);
    await stage.clock.settle();
    second.open();
    await stage.clock.advance(2_500);
    expect(second.received.map(({ op }) => op)).toEqual(["hello"]);
    expect(await answer).toBe("LostAnswer");
    expect(stage.connection.isUp).toBe(true);
    stage.connection.close();
  });

  it("holds what is asked while it takes over, and asks the new socket", async () => {
    const stage = connectionStage();
    await stage.begin();
    const hello = heldHello(stage);
    const second = await nextSocket(stage);
    await stage.clock.settle();
    const answer = stage.connection.request("countKeyPackages", {});
    await stage.clock.settle();
    expect(stage.sockets[0]!.received.map(({ op }) => op)).not.toContain("countKeyPackages");
    hello.release();
    expect(await stage.clock.until(answer)).toMatchObject({ count: 1 });
    expect(second.received.map(({ op }) => op)).toEqual(["hello", "countKeyPackages"]);
    stage.connection.close();
  });

  it("hears doorbells on either socket, before and after", async () => {
    const stage = connectionStage();
    await stage.begin();
    const hello = heldHello(stage);
    const second = await nextSocket(stage);
    await stage.clock.settle();
    stage.sockets[0]!.push({ push: "inbox" });
    // Registered, and rung before its hello is answered.
    second.push({ push: "inbox" });
    await stage.clock.settle();
    expect(stage.pushes).toHaveLength(2);
    hello.release();
    second.push({ push: "inbox" });
    await stage.clock.settle();
    expect(stage.pushes.filter((push) => "push" in push && push.push === "inbox")).toHaveLength(3);
    stage.connection.close();
  });

  it("takes `superseded` of the old socket for its own doing once it has said hello", async () => {
    const stage = connectionStage();
    await stage.begin();
    const hello = heldHello(stage);
    await nextSocket(stage);
    await stage.clock.settle();
    stage.sockets[0]!.bye("superseded");
    stage.sockets[0]!.end(1000);
    await stage.clock.settle();
    expect(stage.connection.state.current.status).toBe("online");
    hello.release();
    await stage.clock.settle();
    expect(stage.connection.state.current.status).toBe("online");
    expect(stage.connection.isUp).toBe(true);
    stage.connection.close();
  });

  it("takes it for a twin's before that, and does not take the place back", async () => {
    const stage = connectionStage();
    await stage.begin();
    stage.onOpen = () => false;
    const second = await nextSocket(stage);
    stage.sockets[0]!.bye("superseded");
    stage.sockets[0]!.end(1000);
    await stage.clock.settle();
    second.open();
    await stage.clock.advance(10 * minute);
    const { current } = stage.connection.state;
    expect(current.status === "closed" && current.reason?.code).toBe("superseded");
    expect(second.received).toEqual([]);
    expect(stage.sockets).toHaveLength(2);
  });

  it("stays away where its own hello is refused as superseded", async () => {
    const stage = connectionStage();
    await stage.begin();
    stage.onFrame = (socket, frame) => {
      if (socket.number === 0) return true;
      socket.refuse(frame, { code: "superseded", retryable: false });
      return false;
    };
    await nextSocket(stage);
    await stage.clock.settle();
    const { current } = stage.connection.state;
    expect(current.status === "closed" && current.reason?.code).toBe("superseded");
    expect(stage.live()).toBe(0);
  });

  it("comes back where the old socket went and the new one's answer was lost", async () => {
    const stage = connectionStage();
    await stage.begin();
    heldHello(stage);
    const second = await nextSocket(stage);
    await stage.clock.settle();
    stage.sockets[0]!.end(1006);
    second.end(1006);
    await stage.clock.advance(2_000);
    expect(stage.connection.state.current.status).toBe("online");
    expect(stage.sockets).toHaveLength(3);
    stage.connection.close();
  });

  it("fails again and again: the old socket is used to the end of its lease, then let go", async () => {
    const stage = connectionStage();
    await stage.begin();
    stage.onOpen = (socket) => {
      socket.end(1006);
      return false;
    };
    await nextSocket(stage);
    const leaseUntil = stage.leaseUntil(stage.sockets[0]!);
    await stage.clock.advance(leaseUntil - stage.clock.now() - 500);
    expect(stage.connection.state.current.status).toBe("online");
    expect(await stage.connection.request("countKeyPackages", {})).toMatchObject({ count: 1 });
    const tries = stage.sockets.length - 1;
    expect(tries).toBeGreaterThan(4);
    expect(tries).toBeLessThan(60);
    await stage.clock.advance(30_000);
    expect(stage.sockets[0]!.isOver).toBe(true);
    expect(stage.connection.state.current.status).not.toBe("online");
    stage.onOpen = () => true;
    await stage.clock.advance(minute);
    expect(stage.connection.state.current.status).toBe("online");
    stage.connection.close();
  });

  it("says that it is connecting where the old socket breaks while a slow successor opens", async () => {
    const stage = connectionStage();
    await stage.begin();
    stage.onOpen = () => false;
    const second = await nextSocket(stage);
    stage.sockets[0]!.end(1006);
    await stage.clock.settle();
    expect(stage.connection.state.current.status).toBe("connecting");
    await stage.clock.advance(2_000);
    expect(stage.sockets).toHaveLength(2);
    second.open();
    await stage.clock.settle();
    expect(stage.connection.state.current.status).toBe("online");
    stage.connection.close();
  });

  it("catches up anew on the new socket while the old one's catching up has not ended", async () => {
    const waiting: (() => void)[] = [];
    const stage = connectionStage({ catchUp: () => new Promise((resolve) => waiting.push(resolve)) });
    await stage.begin();
    await nextSocket(stage);
    await stage.clock.settle();
    expect(waiting).toHaveLength(2);
    // The old reading says nothing about what the new socket has to read.
    waiting[0]!();
    await stage.clock.settle();
    expect(stage.connection.state.current.status).toBe("catchingUp");
    waiting[1]!();
    await stage.clock.settle();
    expect(stage.connection.state.current.status).toBe("online");
    stage.connection.close();
  });

  it("is ended with everything else by stop, wherever it stands", async () => {
    for (const stop of ["opening", "greeting"] as const) {
      const stage = connectionStage();
      await stage.begin();
      if (stop === "opening") stage.onOpen = () => false;
      else heldHello(stage);
      const second = await nextSocket(stage);
      await stage.clock.settle();
      stage.connection.stop();
      second.open();
      await stage.clock.advance(3 * limits.connectionLifetime);
      expect(stage.live()).toBe(0);
      expect(stage.sockets).toHaveLength(2);
      expect(stage.connection.state.current).toEqual({ status: "offline" });
    }
  });
});

describe("a lease", () => {
  it("that ends with a short token is renewed before its end", async () => {
    const stage = connectionStage();
    stage.leaseUntil = ({ openedAt }) => openedAt + 5 * minute;
    await stage.begin();
    const second = await nextSocket(stage);
    expect(second.openedAt - stage.sockets[0]!.openedAt).toBeLessThan(5 * minute);
    expect(stage.states.some(({ status }, index) => index > 0 && status === "offline")).toBe(false);
    stage.connection.close();
  });

  it("whose token comes from a cache is asked for again shortly before its end, and at it, and not more often", async () => {
    const stage = connectionStage();
    const start = stage.serverNow();
    // The cache hands out a new token only when the old one is over.
    stage.leaseUntil = ({ openedAt }) => start + Math.ceil((openedAt - start + 1) / (60 * minute)) * 60 * minute;
    await stage.begin();
    await stage.clock.advance(59 * minute + 59_000);
    expect(stage.sockets.length).toBeLessThanOrEqual(3);
    await stage.clock.advance(3_000);
    expect(stage.connection.state.current.status).toBe("online");
    expect(stage.sockets.length).toBeLessThanOrEqual(4);
    await stage.clock.advance(120 * minute);
    expect(stage.sockets.length).toBeLessThanOrEqual(10);
    expect(stage.connection.state.current.status).toBe("online");
    stage.connection.close();
  });

  it("without any length does not make a storm", async () => {
    const stage = connectionStage();
    const now = (): number => stage.serverNow();
    stage.onFrame = (socket, frame) => {
      socket.answer(frame, {
        account: "alice",
        device: "0".repeat(42) + "A",
        scope: "full",
        serverTime: now(),
        leaseUntil: now() + 1,
      });
      return false;
    };
    await stage.begin();
    await stage.clock.advance(10 * minute);
    expect(stage.sockets.length).toBeLessThanOrEqual(121);
    stage.connection.close();
  });
});
