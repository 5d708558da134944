import type { Frame, LocalCloud } from "@tacit/local";
import { WebSocket } from "ws";
import { rmSync } from "node:fs";
import { connectSample, refusal, sampleWithout, startSample, type SampleClient } from "./sampleCloud.ts";

const MINUTE = 60_000;
const FRAME = 32 * 1024;
const MESSAGE = 128 * 1024;

describe("WebSocket gateway", () => {
  let cloud: LocalCloud;
  let alice: SampleClient;
  beforeAll(async () => {
    cloud = await startSample();
  });
  afterAll(() => cloud.close());
  beforeEach(async () => {
    alice = await connectSample(cloud);
  });
  afterEach(() => alice.close());

  const idOf = async (client: SampleClient): Promise<string> => {
    const { event } = await client.ask("event");
    return (event as { requestContext: { connectionId: string } }).requestContext.connectionId;
  };
  const connection = (operation: string, input: object) => alice.call("sockets", operation, input);

  describe("$connect", () => {
    test("answers with the subprotocol that the function chose", async () => {
      const client = await connectSample(cloud, ["one", "two"]);
      expect(client.socket.protocol).toBe("one");
      client.close();
    });

    test.each([
      ["without the identity source", [], 401],
      ["when the authorizer says Unauthorized", ["unauthorized"], 401],
      ["when its policy denies", ["denied"], 403],
      ["when the authorizer fails", ["broken"], 500],
      ["when the $connect function refuses", ["refused"], 403],
    ])("is refused %s", async (_, protocols, status) => {
      expect(await refusal(cloud, protocols)).toBe(status);
    });

    test("is refused on a stage that is not there", async () => {
      expect(await refusal(cloud, ["sample"], "/more")).toBe(403);
    });

    test("the authorizer is not asked without the identity source", async () => {
      const { operations } = cloud.meter.snapshot();
      await refusal(cloud, []);
      expect(cloud.meter.snapshot().operations["lambda:Authorize"]).toEqual(operations["lambda:Authorize"]);
    });
  });

  describe("events", () => {
    test("have the shape of API Gateway, and carry what the authorizer said, as strings", async () => {
      const { event } = await alice.ask("event");
      expect(event).toEqual({
        body: expect.stringContaining('"task":"event"'),
        isBase64Encoded: false,
        requestContext: {
          routeKey: "$default",
          eventType: "MESSAGE",
          messageDirection: "IN",
          messageId: expect.any(String),
          connectionId: expect.stringMatching(/^[A-Za-z0-9+/]{15}=$/),
          requestId: expect.any(String),
          extendedRequestId: expect.any(String),
          requestTime: expect.stringMatching(/^\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000$/),
          requestTimeEpoch: expect.any(Number),
          connectedAt: expect.any(Number),
          stage: "v1",
          apiId: expect.any(String),
          domainName: cloud.address.replace("http://", ""),
          identity: { sourceIp: "127.0.0.1" },
          authorizer: { principalId: "someone", account: "alice", level: "7", full: "true", integrationLatency: 1 },
        },
      });
    });

    test("$disconnect tells which connection closed, and with which code", async () => {
      const id = await idOf(alice);
      alice.socket.close(4000, "enough");
      await alice.closed();
      await cloud.settled();
      const last = JSON.parse(cloud.logs("Disconnect").at(-1) ?? "") as object;
      expect(last).toMatchObject({
        eventType: "DISCONNECT",
        connectionId: id,
        disconnectStatusCode: 4000,
        disconnectReason: "enough",
      });
    });
  });

  describe("routes", () => {
    test("what the function returns reaches the client where a route response is configured, and only there", async () => {
      expect(await alice.ask("env", { name: "GREETING" })).toMatchObject({ value: "from the template" });
      const frames: Frame[] = [];
      const stop = cloud.onFrame((frame) => frames.push(frame));
      alice.socket.send(JSON.stringify({ action: "slow", task: "env", name: "GREETING" }));
      await cloud.settled();
      await alice.ask("count");
      stop();
      expect(frames.map(({ kind }) => kind)).toEqual(["in", "in", "out"]);
    });

    test("an integration that takes longer than it may is given up", async () => {
      alice.socket.send(JSON.stringify({ action: "slow", task: "sleep", milliseconds: 600 }));
      expect(JSON.parse(await alice.next())).toMatchObject({ message: "Endpoint request timed out" });
      await cloud.settled();
    });

    test("what names no route goes to $default", async () => {
      expect(await alice.ask("event", { action: "nowhere" })).toMatchObject({
        event: { requestContext: { routeKey: "$default" } },
      });
      alice.socket.send("no JSON at all");
      expect(JSON.parse(await alice.next())).toMatchObject({ message: "Internal server error" });
    });
  });

  describe("@connections", () => {
    test("a post arrives as a frame, a get tells times, a delete closes", async () => {
      const bob = await connectSample(cloud);
      const ConnectionId = await idOf(bob);
      expect((await connection("postToConnection", { ConnectionId, Data: "ding" })).error).toBeUndefined();
      expect(await bob.next()).toBe("ding");
      const { output } = await connection("getConnection", { ConnectionId });
      expect(Date.parse(String(output?.["ConnectedAt"]))).toBeLessThanOrEqual(cloud.now());
      await connection("deleteConnection", { ConnectionId });
      expect(await bob.closed()).toMatchObject({ code: 1000 });
      expect((await connection("postToConnection", { ConnectionId, Data: "ding" })).error).toMatchObject({
        name: "GoneException",
        status: 410,
      });
    });

    test("a post before the 101 finds nobody, although the connection is about to live", async () => {
      let ConnectionId = "";
      cloud.faults.inject({
        when: ({ operation, input }) => {
          if (operation !== "$connect") return false;
          ConnectionId = (input as { requestContext: { connectionId: string } }).requestContext.connectionId;
          return true;
        },
        effect: { kind: "delay", milliseconds: 300 },
        times: 1,
      });
      const connecting = connectSample(cloud);
      while (ConnectionId === "") await alice.ask("count");
      const push = () => connection("postToConnection", { ConnectionId, Data: "ding" });
      expect((await push()).error).toMatchObject({ name: "GoneException" });
      const bob = await connecting;
      expect((await push()).error).toBeUndefined();
      expect(await bob.next()).toBe("ding");
      bob.close();
    });

    test("128 KB can be posted, and not more", async () => {
      const ConnectionId = await idOf(alice);
      expect((await alice.ask("push", { ConnectionId, bytes: MESSAGE })).error).toBeUndefined();
      expect(await alice.next()).toHaveLength(MESSAGE);
      const { error } = await alice.ask("push", { ConnectionId, bytes: MESSAGE + 1 });
      expect(error).toMatchObject({ name: "PayloadTooLargeException", status: 413 });
    });
  });

  describe("limits", () => {
    const padded = (bytes: number) => {
      const message = JSON.stringify({ task: "count", pad: "" });
      return message.replace('""', `"${"x".repeat(bytes - message.length)}"`);
    };

    test("a frame of 32,768 bytes is taken, a byte more closes 1009", async () => {
      alice.socket.send(padded(FRAME));
      expect(JSON.parse(await alice.next())).toHaveProperty("invocations");
      alice.socket.send(padded(FRAME + 1));
      expect(await alice.closed()).toMatchObject({ code: 1009 });
    });

    test("a message in several frames may have 128 KB, and not more", async () => {
      const send = (text: string) => {
        for (let start = 0; start < text.length; start += FRAME) {
          alice.socket.send(text.slice(start, start + FRAME), { fin: start + FRAME >= text.length });
        }
      };
      send(padded(MESSAGE));
      expect(JSON.parse(await alice.next())).toHaveProperty("invocations");
      send(padded(MESSAGE + 1));
      expect(await alice.closed()).toMatchObject({ code: 1009 });
    });

    test("binary closes 1003", async () => {
      alice.socket.send(Buffer.from([1, 2, 3]));
      expect(await alice.closed()).toMatchObject({ code: 1003 });
    });

    test("ten idle minutes close the socket, traffic in either direction keeps it", async () => {
      const bob = await connectSample(cloud);
      const ConnectionId = await idOf(alice);
      await cloud.advance(9 * MINUTE);
      await bob.call("sockets", "postToConnection", { ConnectionId, Data: "ding" });
      await cloud.advance(9 * MINUTE);
      expect(alice.socket.readyState).toBe(WebSocket.OPEN);
      await cloud.advance(MINUTE);
      expect(await alice.closed()).toMatchObject({ code: 1001 });
      bob.close();
    });

    test("after two hours a connection ends, however busy", async () => {
      for (let elapsed = 0; elapsed < 120; elapsed += 8) {
        expect(alice.socket.readyState).toBe(WebSocket.OPEN);
        await alice.ask("count");
        await cloud.advance(8 * MINUTE);
      }
      expect(await alice.closed()).toMatchObject({ code: 1001 });
    });
  });

  test("messages are metered in units of 32 KB, in both directions, and connections by the minute", async () => {
    const ConnectionId = await idOf(alice);
    const before = cloud.meter.snapshot().usage;
    await alice.ask("push", { ConnectionId, bytes: FRAME + 1 });
    await alice.next();
    await cloud.advance(3 * MINUTE);
    const after = cloud.meter.snapshot().usage;
    // The request, two units of the push, the answer.
    expect(after.socketMessages - before.socketMessages).toBe(4);
    expect(after.connectionMinutes - before.connectionMinutes).toBeGreaterThanOrEqual(3);
  });
});

describe("permission to invoke", () => {
  test.each([
    ["AuthorizePermission", 500],
    ["ConnectPermission", 502],
  ])("without %s the upgrade is refused", async (logicalId, status) => {
    const assembly = sampleWithout(logicalId);
    const cloud = await startSample({ assembly });
    try {
      expect(await refusal(cloud, ["sample"])).toBe(status);
    } finally {
      await cloud.close();
      rmSync(assembly, { recursive: true });
    }
  });
});

describe("throttling", () => {
  test("what exceeds the stage's burst is answered with an error frame", async () => {
    const cloud = await startSample();
    try {
      const client = await connectSample(cloud);
      for (let n = 0; n < 600; n++) client.socket.send('{"task":"count"}');
      const answers: string[] = [];
      while (answers.length < 600) answers.push(await client.next());
      const refused = answers.filter((text) => text.includes("Too Many Requests"));
      expect(refused.length).toBeGreaterThan(0);
      expect(answers.filter((text) => text.includes("invocations")).length).toBeGreaterThanOrEqual(199);
    } finally {
      await cloud.close();
    }
  });
});
