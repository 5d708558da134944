/** A deployment that refuses the socket, told from a network that fails; and how a platform's WebSocket shows either. */
import { connect, type SocketEvents, type Transport } from "@tacit/client";
import { memoryStore } from "@tacit/client/memory";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocket } from "ws";
import {
  webSocketTransport,
  type WebSocketConstructor,
  type WebSocketLike,
} from "../../client/src/adapters/webSocket.ts";
import { connectionStage, type ConnectionStage } from "./support/connectionStage.ts";
import { stage as clientStage, suite } from "./support/stage.ts";

const minute = 60_000;

function refuseAll(stage: ConnectionStage, status?: number): void {
  stage.onOpen = (socket) => {
    socket.end(1006, status);
    return false;
  };
}

/** The same transport, on a platform that can tell whether a host answers HTTP. */
function withReach(isReachable: () => Promise<boolean>): ConnectionStage {
  const stage: ConnectionStage = connectionStage({
    transport: {
      open: (url, protocols, events) => inner.open(url, protocols, events),
      reachable: isReachable,
    },
  });
  const inner = stage.transport;
  return stage;
}

const reasons = (stage: ConnectionStage): (string | undefined)[] =>
  stage.states.flatMap((state) => (state.status === "offline" && state.reason ? [state.reason.code] : []));

describe("a refused upgrade", () => {
  it.each([401, 403])("with status %i is called refused after three, and asked again rarely", async (status) => {
    const stage = connectionStage();
    refuseAll(stage, status);
    await stage.begin();
    await stage.clock.advance(2 * minute);
    expect(reasons(stage).slice(0, 3)).toEqual(["connection_lost", "connection_lost", "refused"]);
    const before = stage.sockets.length;
    await stage.clock.advance(60 * minute);
    expect(stage.sockets.length - before).toBeLessThan(60);
    expect(stage.connection.state.current).toMatchObject({
      status: "offline",
      reason: { code: "refused", remedy: "signIn" },
    });
    // Somebody signed in.
    stage.onOpen = () => true;
    stage.connection.start();
    await stage.clock.advance(1_001);
    expect(stage.connection.state.current.status).toBe("online");
    stage.connection.close();
  });

  it("with any other status is a deployment in trouble, and nobody's token", async () => {
    for (const status of [429, 500, 503]) {
      const stage = connectionStage();
      refuseAll(stage, status);
      await stage.begin();
      await stage.clock.advance(30 * minute);
      expect(new Set(reasons(stage))).toEqual(new Set(["connection_lost"]));
      stage.connection.close();
    }
  });

  it("without a status is called refused where the host answers all the while", async () => {
    const stage = withReach(async () => true);
    refuseAll(stage);
    await stage.begin();
    await stage.clock.advance(5 * minute);
    expect(reasons(stage).slice(0, 3)).toEqual(["connection_lost", "connection_lost", "refused"]);
    stage.connection.close();
  });

  it("without a status takes twice as many where sockets opened before: that is more likely a crowd at the door", async () => {
    const stage = withReach(async () => true);
    await stage.begin();
    refuseAll(stage);
    stage.sockets[0]!.end(1006);
    await stage.clock.advance(10 * minute);
    // The first is for the socket that broke.
    expect(reasons(stage).slice(0, 7).indexOf("refused")).toBe(6);
    stage.onOpen = () => true;
    await stage.clock.advance(minute);
    expect(stage.connection.state.current.status).toBe("online");
    stage.connection.close();
  });

  it.each([
    ["does not answer", async () => false],
    ["cannot be asked", () => Promise.reject(new Error("blocked"))],
    ["hangs", () => new Promise<boolean>(() => {})],
  ])("without a status is a lost connection where the host %s", async (_how, reachable) => {
    const stage = withReach(reachable);
    refuseAll(stage);
    await stage.begin();
    await stage.clock.advance(10 * minute);
    expect(stage.sockets.length).toBeGreaterThan(6);
    expect(new Set(reasons(stage))).toEqual(new Set(["connection_lost"]));
    stage.connection.close();
  });

  it("is not what a device without a network sees", async () => {
    const stage = withReach(async () => true);
    refuseAll(stage);
    stage.hint("networkDown");
    await stage.begin();
    await stage.clock.advance(60 * minute);
    expect(new Set(reasons(stage))).toEqual(new Set(["connection_lost"]));
    stage.connection.close();
  });

  it("is why a new device's connect rejects, without making it wait", async () => {
    const { clock, relay } = clientStage();
    const { url, blobs } = relay;
    const transport: Transport = {
      open: (_url, _protocols, events: SocketEvents) => {
        queueMicrotask(() => events.closed(1006, 403));
        return { send() {}, close() {} };
      },
    };
    const start = clock.now();
    const options = { url, token: relay.token("alice"), store: memoryStore(), suite, transport, blobs, clock };
    await expect(clock.until(connect(options))).rejects.toMatchObject({ code: "refused", remedy: "signIn" });
    expect(clock.now() - start).toBeLessThan(minute);
  });
});

describe("the WebSocket of a platform", () => {
  const closing = (transport: Transport, url: string): Promise<readonly [number, number | undefined]> =>
    new Promise((resolve) => {
      transport.open(url, ["tacit.v1"], {
        opened: () => {},
        message: () => {},
        closed: (code, status) => resolve([code, status]),
      });
    });

  it.each([401, 403])("`ws` shows status %i of a refused upgrade", async (status) => {
    const server = createServer();
    server.on("upgrade", (_request, socket) => socket.end(`HTTP/1.1 ${status} No\r\nConnection: close\r\n\r\n`));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const transport = webSocketTransport(WebSocket as unknown as WebSocketConstructor);
    expect(await closing(transport, `ws://127.0.0.1:${port}/v1`)).toEqual([1006, status]);
    // Whatever it answers, it is there.
    server.on("request", (_request, response) => response.writeHead(426).end());
    expect(await transport.reachable!(`ws://127.0.0.1:${port}/v1`)).toBe(true);
    await new Promise((resolve) => server.close(resolve));
    expect(await transport.reachable!(`ws://127.0.0.1:${port}/v1`)).toBe(false);
  });

  it.each([
    ["error", "Expected HTTP 101 response but was '403 Forbidden'", 403],
    ["error", "Received bad response code from server: 401.", 401],
    ["close", "Received bad response code from server: 401.", 401],
    ["error", "Unexpected server response: 429", 429],
    ["error", "Received network error or non-101 status code.", undefined],
    ["error", "Unable to resolve host relay.test: port 443", undefined],
    ["error", undefined, undefined],
  ])("whose %s event says %p shows %p", async (shownBy, message, status) => {
    class Platform implements WebSocketLike {
      onopen = null;
      onmessage = null;
      onclose: WebSocketLike["onclose"] = null;
      onerror: WebSocketLike["onerror"] = null;
      constructor() {
        queueMicrotask(() => {
          if (shownBy === "error") this.onerror?.({ message });
          this.onclose?.({ code: 1006, ...(shownBy === "close" ? { reason: message } : {}) });
        });
      }
      send(): void {}
      close(): void {}
    }
    expect(await closing(webSocketTransport(Platform), "wss://relay.test/v1")).toEqual([1006, status]);
  });

  it("that may not be opened here is a connection that was lost, not a crash", async () => {
    class Forbidden {
      constructor() {
        throw new Error("content security policy");
      }
    }
    const transport = webSocketTransport(Forbidden as unknown as WebSocketConstructor);
    expect(await closing(transport, "wss://relay.test/v1")).toEqual([1006, undefined]);
  });
});
