/** A service that answers as a test tells it to, and remembers what it was asked. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export interface Asked {
  readonly target: string;
  readonly authorization: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** `hang` takes the request and never answers; `break` closes the connection. */
export type Reply = { readonly status?: number; readonly body: unknown } | "hang" | "break";

export interface ScriptedService {
  readonly endpoint: string;
  readonly asked: readonly Asked[];
  /** The next answers, in order; the last is that of all further requests. */
  script(...replies: readonly Reply[]): void;
  close(): void;
}

export async function scriptedService(): Promise<ScriptedService> {
  const asked: Asked[] = [];
  let replies: readonly Reply[] = [];
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = JSON.parse(Buffer.concat(chunks).toString("utf8")) as Asked["body"];
      const { "x-amz-target": target, authorization = "" } = request.headers;
      asked.push({ target: String(target), authorization, body });
      const [reply = "hang", ...rest] = replies;
      if (rest.length > 0) replies = rest;
      if (reply === "hang") return;
      if (reply === "break") return void request.socket.destroy();
      response.writeHead(reply.status ?? 200, { "content-type": "application/x-amz-json-1.0" });
      response.end(typeof reply.body === "string" ? reply.body : JSON.stringify(reply.body));
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    script(...next) {
      replies = next;
      asked.length = 0;
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
