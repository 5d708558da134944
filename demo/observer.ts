/** Watches the cloud on behalf of one page: the frames, tables and costs of its two accounts. */
import { price, usageBetween, type Frame, type ItemWrite, type LocalCloud, type Usage } from "@tacit/local";
import type { CloudEvent, CostEvent, FrameEvent, Side } from "./cloudEvents.ts";
import { itemSize, storedFields } from "./storedItem.ts";

/** What the page's server needs of the local cloud. */
export type ObservedCloud = Pick<LocalCloud, "url" | "now" | "onFrame" | "onWrite" | "meter" | "issueToken">;

const tables = ["Log", "Conversations", "Inbox", "Directory", "Connections"];

/** Starts watching; returns how to stop. */
export function observe(
  cloud: ObservedCloud,
  accounts: Readonly<Record<Side, string>>,
  emit: (event: CloudEvent) => void,
): () => void {
  const sockets = createSocketWatch(accounts, emit);
  const stopFrames = cloud.onFrame((frame) => sockets.take(frame));
  const stopWrites = cloud.onWrite((write) => {
    const event = storedEvent(write, cloud.now(), (name) => sockets.owns(name));
    if (event !== undefined) emit(event);
  });
  const start = cloud.meter.snapshot();
  const timer = setInterval(() => {
    emit(costEvent(usageBetween(start, cloud.meter.snapshot()).usage));
  }, 1_000).unref();
  return () => {
    stopFrames();
    stopWrites();
    clearInterval(timer);
  };
}

/** What is known of one socket. Whose it is says the first answer; until then its frames wait. */
type Socket = { side: Side | undefined; readonly waiting: Frame[]; readonly operations: Map<string, string> };

type Body = Readonly<Record<string, unknown>>;

function createSocketWatch(accounts: Readonly<Record<Side, string>>, emit: (event: CloudEvent) => void) {
  const sockets = new Map<string, Socket>();
  /** Names under which something of these accounts is stored: accounts, devices, conversations. */
  const owned = new Set<string>(Object.values(accounts));
  let nextFrame = 1;

  function take(frame: Frame): void {
    if (frame.kind === "open") {
      sockets.set(frame.connectionId, { side: undefined, waiting: [], operations: new Map() });
    }
    const socket = sockets.get(frame.connectionId);
    if (socket === undefined) return;
    if (frame.kind === "close") sockets.delete(frame.connectionId);
    if (socket.side !== undefined) return pass(frame, socket.side, socket);
    socket.waiting.push(frame);
    if (frame.kind !== "out") return;
    socket.side = sideOf(frame);
    if (socket.side === undefined) return;
    for (const earlier of socket.waiting.splice(0)) pass(earlier, socket.side, socket);
  }

  /** The answer to `hello` names account and device. */
  function sideOf({ data }: Frame): Side | undefined {
    const answer = field(parse(data), "ok");
    const side =
      answer?.["account"] === accounts.alice ? "alice" : answer?.["account"] === accounts.bob ? "bob" : undefined;
    if (side !== undefined && typeof answer?.["device"] === "string") owned.add(answer["device"]);
    return side;
  }

  function pass(frame: Frame, side: Side, socket: Socket): void {
    const { at, data } = frame;
    switch (frame.kind) {
      case "open":
        return emit({ type: "socket", at, side, state: "opened" });
      case "close":
        return emit({ type: "socket", at, side, state: "closed" });
      case "in":
      case "out": {
        const body = parse(data);
        if (typeof body["conversation"] === "string") owned.add(body["conversation"]);
        const direction = frame.kind === "in" ? "up" : "down";
        const { name, kind } = describe(body, direction, socket.operations);
        const size = Buffer.byteLength(data);
        return emit({ type: "frame", id: nextFrame++, at, side, direction, name, kind, size, text: data });
      }
    }
  }

  return { take, owns: (name: string) => owned.has(name) };
}

function describe(
  body: Body,
  direction: "up" | "down",
  operations: Map<string, string>,
): Pick<FrameEvent, "name" | "kind"> {
  const id = String(body["id"]);
  if (direction === "up") {
    const operation = String(body["op"]);
    operations.set(id, operation);
    return { name: operation, kind: "request" };
  }
  if (typeof body["push"] === "string") return { name: body["push"], kind: "push" };
  const answered = operations.get(id) ?? "answer";
  operations.delete(id);
  const refusal = field(body, "error");
  return refusal === undefined
    ? { name: answered, kind: "answer" }
    : { name: `${answered}: ${String(refusal["code"])}`, kind: "refusal" };
}

function storedEvent(
  { table: logicalId, before, after }: ItemWrite,
  at: number,
  owns: (name: string) => boolean,
): CloudEvent | undefined {
  const item = after ?? before;
  const table = tables.find((name) => logicalId.startsWith(name));
  if (item === undefined || table === undefined) return undefined;
  const fields = storedFields(item);
  const names = ["account", "conversation", "device"].map((name) => fields[name]);
  if (!names.some((name) => typeof name === "string" && owns(name))) return undefined;
  const key = JSON.stringify(["conversation", "seq", "device", "id", "account", "record"].map((name) => fields[name]));
  return { type: "stored", at, table, key, ...(after === undefined ? {} : { item: fields }), size: itemSize(item) };
}

const costNames: Readonly<Record<keyof Usage, string>> = {
  writeUnits: "DynamoDB write units",
  readUnits: "DynamoDB read units",
  invocations: "Lambda invocations",
  gigabyteSeconds: "Lambda GB-seconds",
  socketMessages: "WebSocket messages",
  connectionMinutes: "connection minutes",
  s3Puts: "S3 writes",
  s3Gets: "S3 reads",
  kmsSymmetric: "KMS requests",
  kmsAsymmetric: "KMS signatures",
  sqsRequests: "SQS requests",
};

export function costEvent(usage: Usage): CostEvent {
  const { lines, total } = price(usage);
  const names = Object.entries(costNames) as [keyof Usage, string][];
  return {
    type: "cost",
    dollars: total,
    lines: names.flatMap(([key, name]) => (usage[key] > 0 ? [{ name, count: usage[key], dollars: lines[key] }] : [])),
  };
}

function parse(text: string): Body {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Body) : {};
  } catch {
    return {};
  }
}

function field(body: Body, name: string): Body | undefined {
  const value = body[name];
  return typeof value === "object" && value !== null ? (value as Body) : undefined;
}
