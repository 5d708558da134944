/** The application's token callback: fresh for each connection, and none of its failures stops the client. */
import { connect, TacitError } from "@tacit/client";
import { memoryStore } from "@tacit/client/memory";
import { tokenSource } from "../../client/src/connection/tokenSource.ts";
import { connectionStage } from "./support/connectionStage.ts";
import { fakeClock } from "./support/fakeClock.ts";
import { stage as clientStage, suite } from "./support/stage.ts";

const minute = 60_000;
const code = (error: unknown): string => (error instanceof TacitError ? error.code : String(error));

describe("a token callback", () => {
  it("is asked anew for each connection", async () => {
    let calls = 0;
    const token = tokenSource(fakeClock(), async () => `a.b.${calls++}`);
    expect([await token(), await token()]).toEqual(["a.b.0", "a.b.1"]);
  });

  it("is called once for those who ask at the same time", async () => {
    let calls = 0;
    const token = tokenSource(fakeClock(), () => new Promise((resolve) => setImmediate(() => resolve(`t${++calls}`))));
    expect(await Promise.all([token(), token(), token()])).toEqual(["t1", "t1", "t1"]);
  });

  it.each([
    [
      "throws",
      () => {
        throw new Error("signed out");
      },
    ],
    ["rejects", () => Promise.reject(new Error("signed out"))],
    ["answers nothing", () => ""],
    ["answers something else", () => undefined as unknown as string],
    ["answers what no header may carry", () => "a b,c"],
  ])("that %s is told as token_failed", async (_how, callback) => {
    const error = await tokenSource(fakeClock(), callback)().catch((failure: unknown) => failure);
    expect(error).toMatchObject({ code: "token_failed", remedy: "signIn", retryable: true });
    expect(String(error)).not.toContain("a b,c");
  });

  it("that hangs is waited for half a minute, not called twice, and its late answer is used", async () => {
    const clock = fakeClock();
    let calls = 0;
    let answer: (token: string) => void = () => {};
    const token = tokenSource(clock, () => new Promise((resolve) => (calls++, (answer = resolve))));
    const first = token().catch(code);
    await clock.advance(30_000);
    expect(await first).toBe("token_failed");
    const second = token();
    answer("late");
    expect(await second).toBe("late");
    expect(calls).toBe(1);
  });

  it("that never answers is called again after five minutes", async () => {
    const clock = fakeClock();
    let calls = 0;
    const token = tokenSource(clock, () => (calls++ === 0 ? new Promise<string>(() => {}) : "fresh"));
    token().catch(() => {});
    await clock.advance(5 * minute);
    expect(await token()).toBe("fresh");
    expect(calls).toBe(2);
  });
});

describe("a client whose callback", () => {
  it("hangs says so, stays off the network, and comes back by itself", async () => {
    const { clock, relay } = clientStage();
    const { url, transport, blobs } = relay;
    let isHanging = false;
    const token = (): Promise<string> => (isHanging ? new Promise(() => {}) : Promise.resolve(relay.token("alice")()));
    const alice = await clock.until(connect({ url, token, store: memoryStore(), suite, transport, blobs, clock }));
    isHanging = true;
    relay.cut();
    const seen: (string | undefined)[] = [];
    alice.connection.subscribe((state) => seen.push(state.status === "offline" ? state.reason?.code : state.status));
    await clock.advance(55_000);
    expect(seen).toContain("token_failed");
    expect(seen.slice(1)).not.toContain("online");
    expect(relay.sockets).toBe(0);
    isHanging = false;
    await clock.advance(7 * minute);
    expect(alice.connection.current.status).toBe("online");
    await alice.close();
  });

  it("hands out tokens that have ended is told that it does", async () => {
    const { clock, relay } = clientStage();
    const { url, transport, blobs } = relay;
    const stale = relay.token("alice", 30 * minute)();
    const alice = await clock.until(
      connect({ url, token: () => stale, store: memoryStore(), suite, transport, blobs, clock }),
    );
    await clock.advance(31 * minute);
    const { current } = alice.connection;
    expect(current.status === "offline" && current.reason?.code).toBe("token_failed");
    await alice.close();
  });

  it("works again is tried at once when the application says so", async () => {
    let isSignedIn = true;
    const stage = connectionStage({
      protocols: async () => {
        if (!isSignedIn) throw new TacitError("token_failed", "signed out");
        return ["tacit.v1"];
      },
    });
    await stage.begin();
    isSignedIn = false;
    stage.sockets[0]!.end(1006);
    await stage.clock.advance(10 * minute);
    isSignedIn = true;
    stage.connection.start();
    await stage.clock.advance(1_001);
    expect(stage.connection.state.current.status).toBe("online");
    stage.connection.close();
  });
});
