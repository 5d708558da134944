/** Serves the demo page to this machine: its files, tokens for its two accounts, and what the cloud sees. */
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createBundler, type Bundler } from "./bundle.ts";
import type { Side } from "./cloudEvents.ts";
import type { ObservedCloud } from "./observer.ts";
import { createSessions, type Session, type Sessions } from "./sessions.ts";

export type DemoServer = { readonly address: string; close(): Promise<void> };

export type DemoServerOptions = {
  readonly cloud: ObservedCloud;
  /** The `aud` that the deployment asks of tokens. */
  readonly audience: string;
  /** 0 for any free one. */
  readonly port: number;
};

const host = "127.0.0.1";
const pageDirectory = join(dirname(fileURLToPath(import.meta.url)), "page");

/** Rejects where the port is taken. */
export async function startDemoServer({ cloud, audience, port }: DemoServerOptions): Promise<DemoServer> {
  const sessions = createSessions(cloud, audience);
  const bundler = await createBundler(pageDirectory);
  // A mistake in the page should be seen here, not in a browser.
  await bundler.build();
  const server = createServer();
  await listen(server, port);
  const { port: actualPort } = server.address() as AddressInfo;
  const address = `http://${host}:${actualPort}`;
  const routes = createRoutes(sessions, bundler, contentPolicy(cloud.url));
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    route(request, response).catch((error: unknown) => {
      console.error(error);
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  });

  async function route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", address);
    // Another name for this address would be another site's page (DNS rebinding); another origin, its script.
    const own = request.headers.host === `${host}:${actualPort}`;
    const sameOrigin = request.headers.origin === undefined || request.headers.origin === address;
    const handler = routes.get(`${request.method ?? ""} ${url.pathname}`);
    if (!own || !sameOrigin) return reply(response, 403, "Forbidden");
    if (handler === undefined) return reply(response, 404, "Not found");
    await handler(url.searchParams, request, response);
  }

  return {
    address,
    async close() {
      sessions.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await bundler.close();
    },
  };
}

type Handler = (query: URLSearchParams, request: IncomingMessage, response: ServerResponse) => Promise<void> | void;

function createRoutes(sessions: Sessions, bundler: Bundler, policy: string): ReadonlyMap<string, Handler> {
  const asset =
    (name: string, type: string): Handler =>
    async (_query, _request, response) => {
      const content = (await bundler.build()).get(name);
      reply(response, content === undefined ? 404 : 200, content ?? "Not found", type);
    };
  const file =
    (name: string, type: string): Handler =>
    async (_query, _request, response) => {
      response.setHeader("content-security-policy", policy);
      reply(response, 200, await readFile(join(pageDirectory, name)), type);
    };
  return new Map<string, Handler>([
    ["GET /", file("index.html", "text/html; charset=utf-8")],
    ["GET /icon.svg", file("icon.svg", "image/svg+xml")],
    ["GET /app.js", asset("app.js", "text/javascript; charset=utf-8")],
    ["GET /style.css", asset("style.css", "text/css; charset=utf-8")],
    ["POST /session", (_query, _request, response) => replyJson(response, sessions.open().public)],
    [
      "POST /token",
      async (query, _request, response) => {
        const session = sessions.find(query.get("session") ?? "");
        const side = sideOf(query.get("side"));
        if (session === undefined || side === undefined) return reply(response, 404, "Not found");
        replyJson(response, { token: await session.token(side) });
      },
    ],
    [
      "GET /events",
      (query, request, response) => {
        const session = sessions.find(query.get("session") ?? "");
        if (session === undefined) return reply(response, 404, "Not found");
        streamEvents(session, request, response);
      },
    ],
  ]);
}

/** https://html.spec.whatwg.org/multipage/server-sent-events.html */
function streamEvents(session: Session, request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  const after = Number(request.headers["last-event-id"] ?? 0) || 0;
  const stop = session.follow(after, (number, event) => {
    response.write(`id: ${number}\ndata: ${JSON.stringify(event)}\n\n`);
  });
  response.on("close", stop);
}

/** The page talks to this server and the relay, and to nothing else: not to the issuer, which gives tokens to whoever asks. */
function contentPolicy(relay: string): string {
  const { host: relayHost } = new URL(relay);
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    `connect-src 'self' ws://${relayHost}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}

function sideOf(text: string | null): Side | undefined {
  return text === "alice" || text === "bob" ? text : undefined;
}

function replyJson(response: ServerResponse, body: unknown): void {
  reply(response, 200, JSON.stringify(body), "application/json");
}

function reply(response: ServerResponse, status: number, body: string | Uint8Array, type = "text/plain"): void {
  response.writeHead(status, {
    "content-type": type,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
  });
  response.end(body);
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
