/** How a connection finds out that it is none: half-open sockets, sleep, clocks that are set. */
import { limits } from "@tacit/protocol";
import { connectionStage, type ConnectionStage, type FarEnd } from "./support/connectionStage.ts";

const minute = 60_000;
const hour = 60 * minute;

/** The first socket hears and says nothing any more. */
function breakFirst(stage: ConnectionStage): void {
  stage.onFrame = ({ number }) => number !== 0;
}

const hellos = ({ received }: FarEnd): number => received.filter(({ op }) => op === "hello").length;

describe("a half-open socket", () => {
  it("is found within seconds when something is asked", async () => {
    const stage = connectionStage();
    await stage.begin();
    breakFirst(stage);
    const asked = stage.clock.now();
    const answer = stage.connection.request("countKeyPackages", {}).catch((error: Error) => error.name);
    expect(await stage.clock.until(answer)).toBe("LostAnswer");
    expect(stage.clock.now() - asked).toBeLessThanOrEqual(7_000);
    await stage.clock.advance(2_000);
    expect(stage.connection.state.current.status).toBe("online");
    stage.connection.close();
  });

  it("is given as many times longer as the application has patience", async () => {
    const stage = connectionStage({ patience: 3 });
    await stage.begin();
    breakFirst(stage);
    const [first] = stage.sockets as [FarEnd];
    const answer = stage.connection.request("countKeyPackages", {}).catch((error: Error) => error.name);
    await stage.clock.advance(17_000);
    expect(first.isOver).toBe(false);
    await stage.clock.advance(4_000);
    expect(first.isOver).toBe(true);
    expect(await answer).toBe("LostAnswer");
    stage.connection.close();
  });

  it("costs nothing while nothing is asked, and is found by the keep-alive", async () => {
    const stage = connectionStage();
    await stage.begin();
    const [first] = stage.sockets as [FarEnd];
    await stage.clock.advance(7 * minute);
    expect(first.received).toHaveLength(1);
    breakFirst(stage);
    await stage.clock.advance(2 * minute + 9_000);
    expect(stage.sockets.length).toBe(2);
    expect(stage.connection.state.current.status).toBe("online");
    stage.connection.close();
  });

  it("is told from a slow answer: whatever is heard counts", async () => {
    const stage = connectionStage();
    await stage.begin();
    const [first] = stage.sockets as [FarEnd];
    stage.onFrame = (_socket, { op }) => op !== "countKeyPackages";
    const answer = stage.connection.request("countKeyPackages", {});
    await stage.clock.advance(14_000);
    expect(first.isOver).toBe(false);
    // Asked whether it is there, it said so.
    expect(hellos(first)).toBeGreaterThan(1);
    first.answer(
      first.received.find(({ op }) => op === "countKeyPackages")!,
      { count: 3, lastResort: true },
    );
    expect(await stage.clock.until(answer)).toMatchObject({ count: 3 });
    stage.connection.close();
  });

  it("is not what loses one answer among others", async () => {
    const stage = connectionStage();
    await stage.begin();
    stage.onFrame = (_socket, { op }) => op !== "countKeyPackages";
    const answer = stage.connection.request("countKeyPackages", {}).catch((error: Error) => error.name);
    expect(await stage.clock.until(answer)).toBe("LostAnswer");
    expect(stage.connection.isUp).toBe(true);
    expect(stage.sockets).toHaveLength(1);
    stage.connection.close();
  });

  it("is given time for what is large, on a network that is slow", async () => {
    const stage = connectionStage();
    await stage.begin();
    breakFirst(stage);
    const ids = Array.from({ length: 1_000 }, () => "A".repeat(22));
    const asked = stage.clock.now();
    const answer = stage.connection.request("acknowledgeInbox", { ids }).catch((error: Error) => error.name);
    await stage.clock.advance(12_000);
    expect(stage.sockets[0]!.isOver).toBe(false);
    expect(await stage.clock.until(answer)).toBe("LostAnswer");
    expect(stage.clock.now() - asked).toBeGreaterThan(12_000);
    stage.connection.close();
  });

  it("that hears and does not answer is given up too", async () => {
    const stage = connectionStage();
    await stage.begin();
    breakFirst(stage);
    const [first] = stage.sockets as [FarEnd];
    stage.connection.request("countKeyPackages", {}).catch(() => {});
    for (let second = 0; second < 17; second++) {
      first.push({ push: "inbox" });
      await stage.clock.advance(1_000);
    }
    expect(first.isOver).toBe(true);
    stage.connection.close();
  });
});

describe("a relay that is in trouble", () => {
  it("and ends each socket soon is not stormed: what lived for less than a minute was one more failure", async () => {
    const stage = connectionStage();
    await stage.begin();
    for (let second = 0; second < 600; second++) {
      stage.last().end(1006);
      await stage.clock.advance(1_000);
    }
    // Twenty seconds each, on average: without that, half a second.
    expect(stage.sockets.length).toBeLessThan(60);
    await stage.clock.advance(2 * minute);
    expect(stage.connection.state.current.status).toBe("online");
    const before = stage.sockets.length;
    stage.last().end(1006);
    await stage.clock.advance(1_001);
    expect(stage.sockets.length).toBe(before + 1);
    stage.connection.close();
  });

  it("and says when to come back is not asked sooner", async () => {
    const stage = connectionStage();
    stage.onFrame = (socket, frame) => {
      if (socket.number > 0) return true;
      socket.refuse(frame, { code: "busy", retryAfter: 30_000 });
      return false;
    };
    await stage.begin();
    await stage.clock.advance(29_000);
    expect(stage.sockets).toHaveLength(1);
    await stage.clock.advance(2_000);
    expect(stage.connection.state.current.status).toBe("online");
    stage.connection.close();
  });

  it("and cannot be read from yet is asked again on the same socket", async () => {
    let failures = 3;
    const stage = connectionStage({
      catchUp: async () => {
        if (failures-- > 0) throw new Error("busy");
      },
    });
    await stage.begin();
    expect(stage.connection.state.current.status).toBe("catchingUp");
    await stage.clock.advance(5_000);
    expect(stage.connection.state.current.status).toBe("online");
    expect(failures).toBe(-1);
    expect(stage.sockets).toHaveLength(1);
    stage.connection.close();
  });
});

describe("the keep-alive", () => {
  it("is said between seven and nine minutes, and nothing else is, for an hour", async () => {
    const stage = connectionStage();
    await stage.begin();
    const [first] = stage.sockets as [FarEnd];
    await stage.clock.advance(hour);
    expect(first.received.length).toBeGreaterThanOrEqual(1 + Math.floor(60 / 9));
    expect(first.received.length).toBeLessThanOrEqual(1 + Math.ceil(60 / 7.2));
    expect(first.received.every(({ op }) => op === "hello")).toBe(true);
    stage.connection.close();
  });

  it("does not give up the socket where the relay is busy", async () => {
    const stage = connectionStage();
    await stage.begin();
    const [first] = stage.sockets as [FarEnd];
    let refused = 0;
    stage.onFrame = (socket, frame) => {
      if (refused >= 3) return true;
      refused++;
      socket.refuse(frame, { code: "internal", requestId: "r" });
      return false;
    };
    await stage.clock.advance(12 * minute);
    expect(refused).toBe(3);
    expect(hellos(first)).toBeGreaterThanOrEqual(5);
    expect(stage.sockets).toHaveLength(1);
    stage.connection.close();
  });

  it("comes back where the lease turns out to be over", async () => {
    const stage = connectionStage();
    await stage.begin();
    stage.leaseUntil = ({ number, openedAt }) => openedAt + (number === 0 ? minute : limits.connectionLifetime);
    await stage.clock.advance(10 * minute);
    expect(stage.sockets).toHaveLength(2);
    expect(stage.connection.state.current.status).toBe("online");
    stage.connection.close();
  });
});

describe("a device that slept", () => {
  it("looks at once when somebody asks for something, and within half a minute otherwise", async () => {
    for (const asks of [true, false]) {
      const stage = connectionStage();
      await stage.begin();
      const [first] = stage.sockets as [FarEnd];
      await stage.clock.advance(minute);
      const before = hellos(first);
      stage.sleep(30 * minute);
      if (asks) stage.connection.request("countKeyPackages", {}).catch(() => {});
      await stage.clock.advance(asks ? 1_000 : 22_000);
      expect(hellos(first)).toBe(before + 1);
      expect(stage.sockets).toHaveLength(1);
      stage.connection.close();
    }
  });

  it("replaces a socket that died meanwhile, without waiting for a timeout", async () => {
    const stage = connectionStage();
    await stage.begin();
    stage.sleep(30 * minute);
    breakFirst(stage);
    stage.connection.request("countKeyPackages", {}).catch(() => {});
    await stage.clock.advance(3_000);
    expect(stage.sockets).toHaveLength(2);
    expect(stage.sockets[0]!.isOver).toBe(true);
    expect(stage.connection.isUp).toBe(true);
    stage.connection.close();
  });

  it("renews a lease that ended in its sleep", async () => {
    const stage = connectionStage();
    await stage.begin();
    stage.sleep(8 * hour);
    await stage.clock.advance(25_000);
    expect(stage.sockets).toHaveLength(2);
    expect(stage.connection.state.current.status).toBe("online");
    stage.connection.close();
  });

  it("still renews in time a lease that was nearly over when it woke", async () => {
    const stage = connectionStage();
    await stage.begin();
    // Timers stood still: by them, the renewal is an hour away.
    stage.sleep(limits.connectionLifetime - 10 * minute);
    await stage.clock.advance(10 * minute);
    expect(stage.sockets.length).toBe(2);
    expect(stage.states.slice(1).some(({ status }) => status === "offline")).toBe(false);
    stage.connection.close();
  });

  it("does not storm, however often it sleeps", async () => {
    const stage = connectionStage();
    await stage.begin();
    const [first] = stage.sockets as [FarEnd];
    for (let nap = 0; nap < 120; nap++) {
      stage.sleep(60_000);
      stage.connection.request("countKeyPackages", {}).catch(() => {});
      await stage.clock.advance(500);
    }
    expect(hellos(first)).toBeLessThanOrEqual(15);
    expect(stage.sockets.length).toBeLessThanOrEqual(4);
    stage.connection.close();
  });

  it("is not watched for in the background: no timer but the keep-alive's is left", async () => {
    const stage = connectionStage();
    let timers = 0;
    jest.spyOn(stage.wall, "after").mockImplementation((delay, run) => {
      timers++;
      return stage.clock.after(delay, run);
    });
    await stage.begin();
    stage.hint("background");
    await stage.clock.advance(2 * minute);
    timers = 0;
    await stage.clock.advance(hour);
    // Each keep-alive makes three: its own successor, and two that wait for its answer.
    expect(timers).toBeLessThanOrEqual(5 * 9);
    stage.connection.close();
  });
});

describe.each([hour, -hour])("a clock that is set by %i ms", (by) => {
  it("while connected: the server's time is known again within half a minute, and nothing is lost", async () => {
    const stage = connectionStage();
    await stage.begin();
    stage.setClock(by);
    await stage.clock.advance(23_000);
    expect(Math.abs(stage.connection.now() - stage.serverNow())).toBeLessThan(1_000);
    expect(stage.sockets).toHaveLength(1);
    // The lease is the server's: it is renewed by its time.
    await stage.clock.advance(limits.connectionLifetime - minute);
    expect(stage.sockets).toHaveLength(2);
    expect(stage.states.slice(1).some(({ status }) => status === "offline")).toBe(false);
    stage.connection.close();
  });

  it("while connected: the next proof is made by the server's time", async () => {
    const stage = connectionStage();
    await stage.begin();
    stage.setClock(by);
    await stage.clock.advance(23_000);
    stage.sockets[0]!.end(1006);
    await stage.clock.advance(2_000);
    expect(stage.sockets).toHaveLength(2);
    expect(Math.abs(Number(stage.sockets[1]!.protocols[1]) - stage.sockets[1]!.openedAt)).toBeLessThan(1_000);
    stage.connection.close();
  });

  it("while not connected: one refusal mends it", async () => {
    const stage = connectionStage();
    await stage.begin();
    stage.setClock(by);
    stage.onFrame = (socket, frame) => {
      const { openedAt, protocols } = socket;
      if (Math.abs(Number(protocols[1]) - openedAt) < limits.clockSkew) return true;
      socket.refuse(frame, { code: "clock_skew", serverTime: stage.serverNow() });
      socket.bye("clock_skew");
      socket.end(1000);
      return false;
    };
    stage.sockets[0]!.end(1006);
    await stage.clock.advance(3_000);
    expect(stage.connection.state.current.status).toBe("online");
    expect(stage.sockets).toHaveLength(3);
    stage.connection.close();
  });
});
