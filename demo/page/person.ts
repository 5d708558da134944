/** One person: a real client of this deployment, with a store of its own in this page, behind a chat pane. */
import { connect, type Client, type ConnectionState, type Conversation, type Message } from "@tacit/client";
import { memoryStore } from "@tacit/client/memory";
import type { DemoSession, Side } from "../cloudEvents.ts";
import { createChatPane, type ChatPane, type ConnectionLabel } from "./chatPane.ts";
import { describeNotice } from "./notices.ts";
import { createTypingSender, createTypingView } from "./typing.ts";

export type Person = {
  readonly pane: ChatPane;
  /** Connects, and registers the device: its keys are made now. */
  signIn(session: DemoSession): Promise<Client>;
  /** Shows the conversation from its beginning, and goes on with it. */
  follow(conversation: Conversation): void;
  /** The other device has decrypted what this person sent at `seq`. */
  confirm(seq: number): void;
};

export type PersonOptions = {
  readonly side: Side;
  readonly names: Readonly<Record<Side, string>>;
  /** Told of each message of the other that was decrypted here. */
  readonly onRead: (seq: number) => void;
  readonly onFailure: (error: unknown) => void;
};

export function createPerson({ side, names, onRead, onFailure }: PersonOptions): Person {
  const other: Side = side === "alice" ? "bob" : "alice";
  let client: Client | undefined;
  let chat: Conversation | undefined;
  const typingSender = createTypingSender((active) => void chat?.sendTyping(active).catch(onFailure));
  const pane = createChatPane(side, names[side], names[other], {
    send: (text) => void send(text).catch(onFailure),
    typing: () => typingSender.typed(),
    setOnline: (online) => (online ? client?.goOnline() : client?.goOffline()),
  });
  const typingView = createTypingView((typing) => pane.setTyping(typing));
  const own = new Map<number, Message>();
  const confirmed = new Set<number>();

  pane.setConnection("connecting");

  async function send(text: string): Promise<void> {
    if (chat === undefined) return;
    typingSender.stopped();
    const outgoing = await chat.send({ text });
    const shown = { key: outgoing.id, own: true, text, at: outgoing.sentAt };
    pane.show({ ...shown, progress: "waiting" });
    await outgoing.sent.catch((error: unknown) => {
      pane.show({ ...shown, progress: "failed" });
      throw error;
    });
  }

  function show(message: Message): void {
    const { seq, text, mine } = message;
    if (mine) {
      own.set(seq, message);
      const progress = confirmed.has(seq) ? "delivered" : "stored";
      return pane.show({ key: message.id, own: true, text, at: message.sentAt, seq, progress });
    }
    typingView.arrived();
    pane.show({ key: `${message.from}/${message.id}`, own: false, text, at: message.sentAt, seq });
    onRead(seq);
  }

  async function readOn(conversation: Conversation): Promise<void> {
    for await (const item of conversation.timeline()) {
      if (item.kind === "message") show(item);
      else pane.notice(describeNotice(item));
    }
  }

  return {
    pane,
    async signIn(session) {
      pane.setAccount(session.accounts[side]);
      const token = () => fetchToken(session, side);
      client = await connect({ url: session.url, account: session.accounts[side], token, store: memoryStore() });
      client.connection.subscribe((state) => pane.setConnection(label(state)));
      client.on("failure", onFailure);
      return client;
    },
    follow(conversation) {
      if (chat !== undefined) return;
      chat = conversation;
      pane.open();
      conversation.onTyping(({ active }) => typingView.told(active));
      readOn(conversation).catch(onFailure);
    },
    confirm(seq) {
      confirmed.add(seq);
      const message = own.get(seq);
      if (message !== undefined) show(message);
    },
  };
}

function label(state: ConnectionState): ConnectionLabel {
  switch (state.status) {
    case "online":
      return "online";
    case "connecting":
    case "catchingUp":
      return "connecting";
    case "offline":
      return state.retryAt === undefined ? "offline" : "connecting";
    case "closed":
      return "offline";
  }
}

async function fetchToken(session: DemoSession, side: Side): Promise<string> {
  const response = await fetch(`token?session=${session.id}&side=${side}`, { method: "POST" });
  if (!response.ok) throw new Error(`no token: ${response.status}`);
  const { token } = (await response.json()) as { readonly token: string };
  return token;
}
