/**
 * API Gateway's WebSocket APIs: upgrade, routes, `@connections` state, limits.
 *
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api.html
 */
import type { IncomingMessage } from "node:http";
import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer, type RawData, type WebSocket } from "ws";
import type { Clock } from "../clock.ts";
import { socketUnits, type Meter } from "../meter.ts";
import { hasIdentity, readAuthorization } from "./authorizer.ts";
import {
  authorizerEvent,
  connectEvent,
  connectionId,
  disconnectEvent,
  messageEvent,
  type ConnectionFacts,
} from "./events.ts";
import { createFrameMeter } from "./frameMeter.ts";
import { limits } from "./limits.ts";
import { proxyAnswer, selectRoute } from "./proxy.ts";
import { createRouteInvoker, isTimeout, type RouteInvokerOptions } from "./routeInvoker.ts";
import { createTokenBucket } from "./tokenBucket.ts";

/** What happens on a socket, for those who watch. */
export interface Frame {
  readonly kind: "open" | "in" | "out" | "close";
  readonly connectionId: string;
  readonly at: number;
  /** The text of a message, the reason of a close. */
  readonly data: string;
  readonly code?: number;
}

export interface GatewayConnection {
  readonly facts: ConnectionFacts;
  readonly lastActiveAt: number;
  send(text: string): void;
  close(code: number, reason: string): void;
}

export interface WebSocketGateway {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** A connection whose upgrade is complete; null before and after. */
  connection(id: string): GatewayConnection | null;
  connections(): readonly GatewayConnection[];
  /** Closes what idled or lived too long. */
  enforceLifetimes(): void;
  /** Settles when no invocation by a route is under way. */
  settled(): Promise<void>;
  close(): void;
}

export interface GatewayOptions extends RouteInvokerOptions {
  readonly clock: Clock;
  readonly meter: Meter;
  /** `127.0.0.1:8080` */
  readonly domainName: string;
  readonly onFrame: (frame: Frame) => void;
}

type LiveConnection = GatewayConnection & { lastActiveAt: number };

export function createWebSocketGateway(options: GatewayOptions): WebSocketGateway {
  const { api, clock, meter, domainName, onFrame } = options;
  const invoker = createRouteInvoker(options);
  const live = new Map<string, LiveConnection>();
  const bucket = api.throttle && createTokenBucket(api.throttle, clock.now);
  const protocols = new WeakMap<IncomingMessage, string>();
  const server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: limits.messageBytes,
    // API Gateway echoes nothing of its own accord: the function behind $connect chooses.
    handleProtocols: (_, request) => protocols.get(request) ?? false,
  });
  let closing = false;
  const context = () => ({ api, domainName, now: clock.now() });

  return {
    upgrade(request, socket, head) {
      socket.on("error", () => socket.destroy());
      invoker.track(connect(request, socket, head)).catch(() => refuse(socket, 500));
    },
    connection: (id) => live.get(id) ?? null,
    connections: () => [...live.values()],
    enforceLifetimes() {
      const now = clock.now();
      for (const connection of live.values()) {
        const idle = now - connection.lastActiveAt >= limits.idleMilliseconds;
        const old = now - connection.facts.connectedAt >= limits.lifetimeMilliseconds;
        if (idle || old) connection.close(1001, "Going away");
      }
    },
    settled: () => invoker.settled(),
    close() {
      closing = true;
      for (const socket of server.clients) socket.terminate();
      server.close();
    },
  };

  async function connect(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const path = (request.url ?? "/").split("?")[0];
    if (path !== `/${api.stage}` && path !== `/${api.stage}/`) return refuse(socket, 403);
    if (bucket && !bucket.take()) return refuse(socket, 429);
    let facts: ConnectionFacts = {
      connectionId: connectionId(),
      connectedAt: clock.now(),
      sourceIp: request.socket.remoteAddress ?? "127.0.0.1",
      userAgent: request.headers["user-agent"],
      authorizer: null,
    };
    const route = api.routes.get("$connect");
    if (route?.authorizer) {
      const { authorizer } = route;
      if (!hasIdentity(authorizer, request)) return refuse(socket, 401);
      const methodArn = invoker.arnOf(route);
      const result = await invoker.authorize(route, authorizer, authorizerEvent(context(), facts, request, methodArn));
      const authorization = readAuthorization(result, methodArn);
      if (authorization.kind === "refuse") return refuse(socket, authorization.status);
      facts = { ...facts, authorizer: authorization.context };
    }
    if (route) {
      const result = await invoker.invoke(route, connectEvent(context(), facts, request));
      const answer = proxyAnswer(result);
      if (!answer) return refuse(socket, isTimeout(result) ? 504 : 502);
      if (answer.statusCode < 200 || answer.statusCode > 299)
        return refuse(socket, answer.statusCode, answer.body ?? undefined);
      const protocol = Object.entries(answer.headers).find(
        ([name]) => name.toLowerCase() === "sec-websocket-protocol",
      )?.[1];
      if (protocol !== undefined) protocols.set(request, protocol);
    }
    if (socket.destroyed) return disconnected(facts, 1006, "");
    server.handleUpgrade(request, socket, head, (ws) => open(ws, request, facts));
  }

  function open(ws: WebSocket, request: IncomingMessage, facts: ConnectionFacts): void {
    const id = facts.connectionId;
    const frames = createFrameMeter();
    request.socket.prependListener("data", (chunk: Buffer) => {
      if (ws.readyState !== ws.OPEN) return;
      frames.push(chunk);
      if (frames.longest() > limits.frameBytes) ws.close(1009, "Message too long");
    });
    const connection: LiveConnection = {
      facts,
      lastActiveAt: clock.now(),
      send(text) {
        connection.lastActiveAt = clock.now();
        meter.add("socket:out", { socketMessages: socketUnits(Buffer.byteLength(text)) });
        onFrame({ kind: "out", connectionId: id, at: clock.now(), data: text });
        sendFrames(ws, text);
      },
      close(code, reason) {
        live.delete(id);
        ws.close(code, reason);
      },
    };
    live.set(id, connection);
    meter.connectionOpened(id);
    onFrame({ kind: "open", connectionId: id, at: clock.now(), data: "" });
    ws.on("message", (data, isBinary) => {
      if (ws.readyState !== ws.OPEN) return;
      if (isBinary) return ws.close(1003, "Binary messages are not supported");
      connection.lastActiveAt = clock.now();
      void invoker.track(receive(connection, textOf(data)));
    });
    ws.on("error", () => {});
    ws.on("close", (code, reason) => {
      live.delete(id);
      meter.connectionClosed(id);
      onFrame({ kind: "close", connectionId: id, at: clock.now(), data: reason.toString(), code });
      disconnected(facts, code, reason.toString());
    });
  }

  /** Messages of one connection are handled side by side, as API Gateway does. */
  async function receive(connection: LiveConnection, text: string): Promise<void> {
    const { facts } = connection;
    meter.add("socket:in", { socketMessages: socketUnits(Buffer.byteLength(text)) });
    onFrame({ kind: "in", connectionId: facts.connectionId, at: clock.now(), data: text });
    const route = api.routes.get(selectRoute(api.selectionExpression, text)) ?? api.routes.get("$default");
    const event = messageEvent(context(), facts, route?.key ?? "$default", text);
    const answerError = (message: string) =>
      send(
        connection,
        JSON.stringify({ message, connectionId: facts.connectionId, requestId: event.requestContext.requestId }),
      );
    if (bucket && !bucket.take()) return answerError("Too Many Requests");
    if (!route) return answerError("Forbidden");
    const result = await invoker.invoke(route, event);
    const answer = proxyAnswer(result);
    if (!answer) return answerError(isTimeout(result) ? "Endpoint request timed out" : "Internal server error");
    if (route.responds && answer.body !== null) send(connection, answer.body);
  }

  function send(connection: LiveConnection, text: string): void {
    if (live.get(connection.facts.connectionId) === connection) connection.send(text);
  }

  function disconnected(facts: ConnectionFacts, code: number, reason: string): void {
    const route = api.routes.get("$disconnect");
    if (!route || closing) return;
    void invoker.invoke(route, disconnectEvent(context(), facts, code, reason));
  }
}

/** What is longer than a frame goes out as several. */
function sendFrames(ws: WebSocket, text: string): void {
  const bytes = Buffer.from(text);
  for (let start = 0; start === 0 || start < bytes.length; start += limits.frameBytes) {
    const fin = start + limits.frameBytes >= bytes.length;
    ws.send(bytes.subarray(start, start + limits.frameBytes), { binary: false, fin });
  }
}

function refuse(socket: Duplex, status: number, body?: string): void {
  const text = body ?? JSON.stringify({ message: STATUS_CODES[status] ?? "" });
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\nconnection: close\r\ncontent-type: application/json\r\n` +
      `content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  );
}

function textOf(data: RawData): string {
  return Array.isArray(data) ? Buffer.concat(data).toString("utf8") : Buffer.from(data as Buffer).toString("utf8");
}
