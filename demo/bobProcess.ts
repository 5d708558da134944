/** Bob, in a process of his own that can be killed: a client with an SQLite store, told over IPC what to do. */
import { connect, type Client, type Conversation } from "@tacit/client";
import { sqliteStore } from "@tacit/client/sqlite";
import type { BobConfig, FromBob, ToBob } from "./bobMessages.ts";

const config = JSON.parse(process.argv[2] ?? "") as BobConfig;
const waitingForToken: ((token: string) => void)[] = [];
let client: Client | undefined;
let chat: Conversation | undefined;

function tell(message: FromBob): void {
  process.send?.(message);
}

async function live(): Promise<void> {
  client = await connect({
    url: config.url,
    account: config.account,
    token: () =>
      new Promise((resolve) => {
        waitingForToken.push(resolve);
        tell({ type: "tokenPlease" });
      }),
    store: await sqliteStore(config.store),
  });
  const opened = firstConversation(client);
  // Before that, nobody can invite this device: its key packages are not out yet.
  await client.caughtUp();
  tell({ type: "ready" });
  chat = await opened;
  for await (const { mine, text } of chat.messages()) {
    tell({ type: "read", line: { from: mine ? "bob" : "alice", text } });
  }
}

/** The one that the store remembers, or the one that Alice opens. */
function firstConversation(of: Client): Promise<Conversation> {
  const [known] = of.conversations();
  if (known !== undefined) return Promise.resolve(known);
  return new Promise((resolve) => of.on("conversation", resolve));
}

async function obey(message: ToBob): Promise<void> {
  switch (message.type) {
    case "token":
      return waitingForToken.shift()?.(message.token);
    case "send":
      await chat?.send({ text: message.text });
      return tell({ type: "queued", text: message.text });
    case "finish":
      await Promise.all(chat?.outgoing().map(({ sent }) => sent) ?? []);
      await client?.caughtUp();
      return tell({ type: "finished" });
  }
}

function fail(error: unknown): void {
  tell({ type: "failed", reason: error instanceof Error ? error.message : String(error) });
}

process.on("message", (message: ToBob) => void obey(message).catch(fail));
// Without whom it works for, it has nothing left to do.
process.on("disconnect", () => process.exit());
live().catch(fail);
