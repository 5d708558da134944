/**
 * Somebody in a process of their own that can be killed at any moment: a client with an SQLite store, told over IPC what to do. What it
 * promised (`send` resolved) it reports at once, what it was shown when asked.
 */
import { connect, type Client, type Conversation } from "@tacit/client";
import { sqliteStore } from "@tacit/client/sqlite";
import { cipherSuites } from "@tacit/mls";
import type { FromChatterer, Orders, ToChatterer } from "./messages.ts";

const orders = JSON.parse(process.argv[2] ?? "") as Orders;
const waitingForToken: ((token: string) => void)[] = [];
let client: Client | undefined;

function tell(message: FromChatterer): void {
  process.send?.(message);
}

async function live(): Promise<void> {
  client = await connect({
    url: orders.url,
    account: orders.account,
    suite: cipherSuites.MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519,
    token: () =>
      new Promise((resolve) => {
        waitingForToken.push(resolve);
        tell({ type: "tokenPlease" });
      }),
    store: await sqliteStore(orders.store),
  });
  client.on("failure", ({ code, message }) => tell({ type: "noted", text: `${code}: ${message}` }));
  client.on("conversation", (conversation) => void conversation.accept());
  for (const conversation of client.conversations()) await conversation.accept();
  await client.caughtUp();
  tell({ type: "ready" });
}

function find(title: string): Conversation | undefined {
  return client?.conversations().find(({ info }) => info.current.title === title);
}

async function obey(message: ToChatterer): Promise<void> {
  switch (message.type) {
    case "token":
      return waitingForToken.shift()?.(message.token);
    case "create":
      await client?.createGroup({ title: message.title, members: message.members });
      return tell({ type: "created" });
    case "send": {
      const conversation = find(message.title);
      if (conversation === undefined) return;
      await conversation.send({ text: message.text });
      return tell({ type: "promised", text: message.text });
    }
    case "rotate":
      await find(message.title)?.rotateKeys();
      return;
    case "report": {
      const conversation = find(message.title);
      await Promise.all(conversation?.outgoing().map(({ sent }) => sent) ?? []);
      const lines: string[] = [];
      const others: string[] = [];
      const end = new AbortController();
      for await (const item of conversation?.timeline({ signal: end.signal }) ?? []) {
        if (item.kind === "message") lines.push(item.text);
        else others.push(item.kind);
        if (item.kind === "message" && item.text === message.until) break;
      }
      return tell({ type: "report", lines, others });
    }
  }
}

function fail(error: unknown): void {
  tell({ type: "noted", text: error instanceof Error ? `${error.name}: ${error.message}` : String(error) });
}

process.on("message", (message: ToChatterer) => void obey(message).catch(fail));
// Without whom it works for, it has nothing left to do.
process.on("disconnect", () => process.exit());
live().catch((error: unknown) => {
  fail(error);
  process.exit(1);
});
