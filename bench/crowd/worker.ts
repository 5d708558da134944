/** A process that holds some of a benchmark's devices: real clients with stores in memory, which do what the other process orders. */
import { connect, type Client, type Conversation } from "@tacit/client";
import { memoryStore } from "@tacit/client/memory";
import { WebSocket } from "ws";
import { webSocketTransport, type WebSocketConstructor } from "../../client/src/adapters/webSocket.ts";
import type { LiveConversation } from "../../client/src/conversation/liveConversation.ts";
import { considerate } from "./considerate.ts";
import type { Newcomer, Order, OrderNamed, Rotated, Standing, Times, Usage } from "./orders.ts";

/** Devices that register at a time. */
const parallelArrivals = 6;
/** How often a state is looked at that no event tells of: milliseconds. */
const glance = 20;

const devices = new Map<string, Client>();
const failures: string[] = [];

process.on("message", ({ id, order }: { readonly id: number; readonly order: Order }) => {
  obey(order).then(
    (result) => process.send?.({ id, result }),
    (error: unknown) =>
      process.send?.({ id, error: error instanceof Error ? (error.stack ?? error.message) : "unknown" }),
  );
});
process.on("disconnect", () => process.exit());

function obey(order: Order): Promise<unknown> {
  switch (order.do) {
    case "arrive":
      return arrive(order);
    case "create":
      return create(order);
    case "invite":
      return nothing(conversationOf(order).invite(order.accounts));
    case "remove":
      return nothing(conversationOf(order).remove(order.accounts));
    case "repair":
      return nothing(conversationOf(order).repair());
    case "send":
      return nothing(say(order));
    case "rotateAll":
      return rotateAll(order);
    case "awaitMembers":
      return each(order.except, (account) => membersSeen(account, order));
    case "awaitEpoch":
      return each(order.except, (account) => epochSeen(account, order));
    case "awaitText":
      return each(order.except, (account) => textSeen(account, order));
    case "awaitBack":
      return when(order.account, () => conversationOf(order).state.current === "open");
    case "standings":
      return Promise.all([...devices.keys()].map((account) => standing(account, order.conversation)));
    case "usage":
      return Promise.resolve(usage());
  }
}

async function nothing(done: Promise<unknown>): Promise<null> {
  await done;
  return null;
}

async function arrive({ url, suite, patience, atOnce, devices: newcomers }: OrderNamed<"arrive">): Promise<null> {
  const waiting = [...newcomers];
  const sockets = webSocketTransport(WebSocket as unknown as WebSocketConstructor);
  const transport = atOnce === undefined ? sockets : considerate(sockets, atOnce);
  const next = async ({ account, token }: Newcomer): Promise<void> => {
    const client = await connect({
      url,
      suite,
      transport,
      token: () => token,
      store: memoryStore(),
      patience,
    });
    client.on("failure", ({ code, message, cause }) => {
      const why = cause instanceof Error ? `: ${cause.message}` : "";
      failures.push(`${account} ${code} ${message}${why}`);
    });
    client.on("conversation", (conversation) => {
      conversation.accept().catch((error: unknown) => failures.push(`${account} ${String(error)}`));
    });
    await client.caughtUp();
    devices.set(account, client);
  };
  const lane = async (): Promise<void> => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) await next(one);
  };
  await Promise.all(Array.from({ length: parallelArrivals }, lane));
  return null;
}

async function create({ account, members }: OrderNamed<"create">): Promise<string> {
  const { id } = await clientOf(account).createGroup({ title: "Crowd", members });
  return id;
}

async function say(order: OrderNamed<"send">): Promise<void> {
  const { sent } = await conversationOf(order).send({ text: order.text });
  await sent;
}

async function rotateAll({ conversation, at, talk }: OrderNamed<"rotateAll">): Promise<Rotated> {
  const landed: Record<string, number> = {};
  const told: string[] = [];
  const failed: string[] = [];
  await new Promise((resolve) => setTimeout(resolve, at - Date.now()));
  const rotations = [...devices.keys()].map(async (account, index) => {
    try {
      const own = conversationOf({ account, conversation });
      const rotated = own.rotateKeys();
      if (talk && index % 10 === 0) {
        const text = `storm ${account}`;
        told.push(text);
        await say({ do: "send", account, conversation, text });
      }
      await rotated;
      landed[account] = Date.now();
    } catch (error) {
      failed.push(`${account}: ${String(error)}`);
    }
  });
  await Promise.all(rotations);
  return { landed, told, failed };
}

async function each(except: readonly string[], happens: (account: string) => Promise<Times>): Promise<Times> {
  const all = [...devices.keys()].filter((account) => !except.includes(account)).map(happens);
  return Object.assign({}, ...(await Promise.all(all))) as Times;
}

function membersSeen(account: string, { conversation, members }: OrderNamed<"awaitMembers">): Promise<Times> {
  return when(account, () => {
    const own = find(account, conversation);
    return own?.state.current === "open" && own.members.length === members;
  });
}

function epochSeen(account: string, { conversation, epoch, within }: OrderNamed<"awaitEpoch">): Promise<Times> {
  const isThere = (): boolean => {
    const { group, phase } = snapshotOf(account, conversation) ?? {};
    return phase === "open" && group !== undefined && group.epoch.groupContext.epoch >= BigInt(epoch);
  };
  return when(account, isThere, within);
}

async function when(account: string, holds: () => boolean, within = Infinity): Promise<Times> {
  const end = Date.now() + within;
  while (!holds()) {
    if (Date.now() > end) return {};
    await new Promise((resolve) => setTimeout(resolve, glance));
  }
  return { [account]: Date.now() };
}

async function textSeen(account: string, { conversation, text, within }: OrderNamed<"awaitText">): Promise<Times> {
  const messages = conversationOf({ account, conversation }).messages({ signal: AbortSignal.timeout(within) });
  for await (const message of messages) if (message.text === text) return { [account]: Date.now() };
  return {};
}

async function standing(account: string, conversation: string): Promise<Standing> {
  const { group, phase = "absent", roster = [], nextPosition = 1 } = snapshotOf(account, conversation) ?? {};
  const texts: string[] = [];
  let unreadable = 0;
  const own = find(account, conversation);
  if (own !== undefined && nextPosition > 1) {
    for await (const item of own.timeline()) {
      if (item.kind === "message") texts.push(item.text);
      if (item.kind === "unreadable" || item.kind === "cannotFollow" || item.kind === "void") unreadable++;
      if (item.position >= nextPosition - 1) break;
    }
  }
  return {
    account,
    phase,
    members: roster.length,
    epoch: String(group?.epoch.groupContext.epoch ?? ""),
    authenticator: Buffer.from(group?.epoch.secrets.epochAuthenticator ?? []).toString("hex"),
    texts,
    unreadable,
  };
}

function usage(): Usage {
  const { user, system } = process.cpuUsage();
  return {
    residentBytes: process.memoryUsage.rss(),
    processorMs: (user + system) / 1_000,
    failures: failures.splice(0),
  };
}

function clientOf(account: string): Client {
  const client = devices.get(account);
  if (client === undefined) throw new Error(`${account} is not here`);
  return client;
}

function find(account: string, conversation: string): Conversation | undefined {
  return clientOf(account)
    .conversations()
    .find(({ id }) => id === conversation);
}

function conversationOf({ account, conversation }: { account: string; conversation: string }): Conversation {
  const own = find(account, conversation);
  if (own === undefined) throw new Error(`${account} is not in the conversation`);
  return own;
}

/** The epoch's authenticator is no business of applications, so it is looked for inside. */
function snapshotOf(account: string, conversation: string): LiveConversation["snapshot"] | undefined {
  return (find(account, conversation) as LiveConversation | undefined)?.snapshot;
}
