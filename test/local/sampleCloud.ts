/** The sample assembly of `fixtures/`, and a client that has its relay do tasks. */
import { WebSocket } from "ws";
import { startLocalCloud, type LocalCloud, type LocalCloudOptions } from "@tacit/local";
import { mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const sampleAssembly = fileURLToPath(new URL("./fixtures/assembly", import.meta.url));

export function startSample(options: LocalCloudOptions = {}): Promise<LocalCloud> {
  return startLocalCloud({ assembly: sampleAssembly, ...options });
}

/** A directory with the sample less one resource of its main stack; whoever asks for it removes it. */
export function sampleWithout(logicalId: string): string {
  const directory = mkdtempSync(join(tmpdir(), "local-assembly-"));
  const main = "Sample.template.json";
  for (const name of readdirSync(sampleAssembly)) {
    if (name !== main) symlinkSync(join(sampleAssembly, name), join(directory, name));
  }
  const template = JSON.parse(readFileSync(join(sampleAssembly, main), "utf8")) as {
    Resources: Record<string, unknown>;
  };
  const { [logicalId]: _, ...Resources } = template.Resources;
  writeFileSync(join(directory, main), JSON.stringify({ ...template, Resources }));
  return directory;
}

export interface Answer {
  readonly error?: {
    readonly name: string;
    readonly message: string;
    readonly status?: number;
    readonly Item?: unknown;
    readonly CancellationReasons?: readonly { readonly Code: string; readonly Item?: unknown }[];
  };
  readonly output?: Readonly<Record<string, unknown>>;
  readonly attempts?: number;
  readonly message?: string;
  readonly [name: string]: unknown;
}

export interface SampleClient {
  readonly socket: WebSocket;
  /** Has the relay do a task and resolves to its answer. */
  ask(task: string, input?: object): Promise<Answer>;
  call(service: "dynamodb" | "sockets", operation: string, input: object): Promise<Answer>;
  /** Next message that answers no question: pushes and error frames. */
  next(): Promise<string>;
  closed(): Promise<{ readonly code: number; readonly reason: string }>;
  close(): void;
}

export async function connectSample(
  cloud: LocalCloud,
  protocols: readonly string[] = ["sample"],
): Promise<SampleClient> {
  const socket = new WebSocket(cloud.url, [...protocols]);
  const waiting = new Map<number, (answer: Answer) => void>();
  const unread: string[] = [];
  const readers: ((text: string) => void)[] = [];
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.on("close", (code, reason) => resolve({ code, reason: reason.toString() })),
  );
  let lastId = 0;
  socket.on("message", (data) => {
    const text = (data as Buffer).toString("utf8");
    const id = idOf(text);
    const resolve = id === null ? undefined : waiting.get(id);
    if (id !== null && resolve) {
      waiting.delete(id);
      resolve(JSON.parse(text) as Answer);
      return;
    }
    const reader = readers.shift();
    if (reader) reader(text);
    else unread.push(text);
  });
  await new Promise<void>((resolve, reject) => {
    socket.on("open", resolve);
    socket.on("error", reject);
  });
  const client: SampleClient = {
    socket,
    ask: (task, input = {}) =>
      new Promise((resolve) => {
        lastId += 1;
        waiting.set(lastId, resolve);
        socket.send(JSON.stringify({ id: lastId, task, ...input }));
      }),
    call: (service, operation, input) => client.ask("call", { service, operation, input }),
    next: () => {
      const text = unread.shift();
      return text === undefined ? new Promise((resolve) => readers.push(resolve)) : Promise.resolve(text);
    },
    closed: () => closed,
    close: () => socket.close(),
  };
  return client;
}

/** The HTTP status with which an upgrade is refused. */
export function refusal(cloud: LocalCloud, protocols: readonly string[], path = ""): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${cloud.url}${path}`, [...protocols]);
    socket.on("unexpected-response", (_request, response) => {
      resolve(response.statusCode ?? 0);
      response.destroy();
    });
    socket.on("open", () => reject(new Error("the upgrade was accepted")));
    socket.on("error", () => {});
  });
}

function idOf(text: string): number | null {
  try {
    return (JSON.parse(text) as { id?: number }).id ?? null;
  } catch {
    return null;
  }
}
