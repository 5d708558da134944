import { request } from "node:http";
import type { Frame, ItemWrite, MeterSnapshot } from "@tacit/local";
import type { CloudEvent, DemoSession } from "../../demo/cloudEvents.ts";
import type { ObservedCloud } from "../../demo/observer.ts";
import { startDemoServer, type DemoServer } from "../../demo/server.ts";

/** A cloud whose frames and writes the test makes up. */
function quietCloud() {
  const frames = new Set<(frame: Frame) => void>();
  const writes = new Set<(write: ItemWrite) => void>();
  const usage = { writeUnits: 0, readUnits: 0, invocations: 0, gigabyteSeconds: 0, socketMessages: 0 };
  const more = { connectionMinutes: 0, s3Puts: 0, s3Gets: 0, kmsSymmetric: 0, kmsAsymmetric: 0, sqsRequests: 0 };
  const snapshot: MeterSnapshot = { usage: { ...usage, ...more }, operations: {} };
  const cloud: ObservedCloud = {
    url: "ws://127.0.0.1:9/v1",
    now: () => 1_000,
    meter: { snapshot: () => snapshot },
    issueToken: ({ sub, audience }) => Promise.resolve(`token of ${sub} for ${audience}`),
    onFrame: (listener) => (frames.add(listener), () => void frames.delete(listener)),
    onWrite: (listener) => (writes.add(listener), () => void writes.delete(listener)),
  };
  return {
    cloud,
    frame: (frame: Omit<Frame, "at">) => frames.forEach((listener) => listener({ at: 1, ...frame })),
    write: (table: string, after: ItemWrite["after"]) =>
      writes.forEach((listener) => listener({ table, cause: "request", before: undefined, after })),
  };
}

let fake: ReturnType<typeof quietCloud>;
let server: DemoServer;

beforeAll(async () => {
  fake = quietCloud();
  server = await startDemoServer({ cloud: fake.cloud, audience: "demo", port: 0 });
}, 30_000);

afterAll(() => server.close());

const post = (path: string, headers: Record<string, string> = {}) =>
  fetch(`${server.address}${path}`, { method: "POST", headers });

async function openSession(): Promise<DemoSession> {
  return (await (await post("/session")).json()) as DemoSession;
}

/** The first `count` events of a session. */
async function events(session: DemoSession, count: number, lastEventId = 0): Promise<CloudEvent[]> {
  const stop = new AbortController();
  const response = await fetch(`${server.address}/events?session=${session.id}`, {
    headers: { "last-event-id": String(lastEventId) },
    signal: stop.signal,
  });
  const found: CloudEvent[] = [];
  let text = "";
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    text += Buffer.from(chunk).toString("utf8");
    const blocks = text.split("\n\n");
    text = blocks.pop() ?? "";
    found.push(...blocks.map((block) => JSON.parse(block.slice(block.indexOf("data: ") + 6)) as CloudEvent));
    if (found.length >= count) break;
  }
  stop.abort();
  return found.slice(0, count);
}

test("the page, its script and its style are served, and may talk to nobody but this server and the relay", async () => {
  const page = await fetch(server.address);
  expect(await page.text()).toContain("<main");
  expect(page.headers.get("content-security-policy")).toContain("connect-src 'self' ws://127.0.0.1:9;");
  for (const [name, type] of [
    ["app.js", "text/javascript"],
    ["style.css", "text/css"],
    ["icon.svg", "image/svg+xml"],
  ]) {
    const response = await fetch(`${server.address}/${name}`);
    expect(response.headers.get("content-type")).toContain(type);
    expect((await response.text()).length).toBeGreaterThan(200);
  }
});

test("a session gets tokens for its two accounts, and there are no others to be had", async () => {
  const session = await openSession();
  const other = await openSession();
  expect(new Set([...Object.values(session.accounts), ...Object.values(other.accounts)]).size).toBe(4);
  const token = await post(`/token?session=${session.id}&side=alice`);
  expect(await token.json()).toEqual({ token: `token of ${session.accounts.alice} for demo` });
  for (const query of [
    `session=${session.id}&side=mallory`,
    `session=${session.id}&side=alice-1`,
    `session=${session.id}&side=__proto__`,
    `session=${session.id}`,
    `session=guess&side=alice`,
    `session=${session.id}&sub=mallory`,
  ]) {
    expect((await post(`/token?${query}`)).status).toBe(404);
  }
  expect((await fetch(`${server.address}/token?session=${session.id}&side=alice`)).status).toBe(404);
});

test("pages of other sites get nothing: neither by another origin nor by another name for this address", async () => {
  expect((await post("/session", { origin: "https://elsewhere.example" })).status).toBe(403);
  const { port } = new URL(server.address);
  const status = await new Promise<number | undefined>((resolve, reject) => {
    request({ port, host: "127.0.0.1", path: "/", headers: { host: `elsewhere.example:${port}` } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on("error", reject)
      .end();
  });
  expect(status).toBe(403);
});

test("a session sees the frames and items of its own accounts, and after a pause what it missed", async () => {
  const session = await openSession();
  const { alice } = session.accounts;
  fake.frame({ kind: "open", connectionId: "a", data: "" });
  fake.frame({ kind: "open", connectionId: "stranger", data: "" });
  fake.frame({ kind: "in", connectionId: "a", data: `{"id":"1","op":"hello"}` });
  fake.frame({ kind: "in", connectionId: "stranger", data: `{"id":"1","op":"hello"}` });
  fake.frame({ kind: "out", connectionId: "stranger", data: `{"id":"1","ok":{"account":"carol","device":"c"}}` });
  fake.frame({ kind: "out", connectionId: "a", data: `{"id":"1","ok":{"account":"${alice}","device":"dev-a"}}` });
  fake.frame({ kind: "in", connectionId: "a", data: `{"id":"2","op":"append","conversation":"d-1"}` });
  fake.write("Log1A2B3C4D", { conversation: { S: "d-1" }, seq: { N: "1" } });
  fake.write("Log1A2B3C4D", { conversation: { S: "d-2" }, seq: { N: "1" } });
  fake.write("InboxA1", { device: { S: "dev-a" }, id: { S: "w" } });
  fake.frame({ kind: "out", connectionId: "a", data: `{"id":"2","error":{"code":"stale"}}` });
  fake.frame({ kind: "out", connectionId: "a", data: `{"push":"inbox"}` });
  fake.frame({ kind: "close", connectionId: "a", data: "" });

  const all = await events(session, 9);
  expect(
    all.map((event) => (event.type === "frame" ? event.name : event.type === "stored" ? event.key : event.type)),
  ).toEqual([
    "socket",
    "hello",
    "hello",
    "append",
    '["d-1",1,null,null,null,null]',
    '[null,null,"dev-a","w",null,null]',
    "append: stale",
    "inbox",
    "socket",
  ]);
  expect(all.flatMap((event) => (event.type === "frame" ? [event.kind] : []))).toEqual([
    "request",
    "answer",
    "request",
    "refusal",
    "push",
  ]);
  expect(await events(session, 2, 7)).toEqual(all.slice(7));
});

test("the cost comes by itself", async () => {
  const [first] = await events(await openSession(), 1);
  expect(first).toEqual({ type: "cost", dollars: 0, lines: [] });
});
