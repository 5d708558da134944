/** One person's side: who they are, how they are connected, what they read, and where they type. */
import type { Side } from "../cloudEvents.ts";
import { element, exactTime, followEnd, timeOfDay } from "./dom.ts";

export type ConnectionLabel = "connecting" | "online" | "offline";

/** How far an own message has come. */
export type Progress = "waiting" | "stored" | "delivered" | "failed";

export type ShownMessage = {
  readonly key: string;
  readonly own: boolean;
  readonly text: string;
  readonly at: number;
  readonly progress?: Progress;
  /** Where it stands in the log, once it stands there. */
  readonly seq?: number;
};

export type ChatPaneActions = {
  readonly send: (text: string) => void;
  readonly typing: () => void;
  readonly setOnline: (online: boolean) => void;
};

export type ChatPane = {
  readonly root: HTMLElement;
  show(message: ShownMessage): void;
  notice(text: string): void;
  /** There is a conversation to write in. */
  open(): void;
  /** The name of the account, as the cloud knows it. */
  setAccount(account: string): void;
  setConnection(state: ConnectionLabel): void;
  setTyping(typing: boolean): void;
  /** Marks the message at this place of the log, or none. */
  mark(seq: number | undefined): void;
};

const progressText: Readonly<Record<Progress, readonly [sign: string, meaning: string]>> = {
  waiting: ["◌", "waiting on this device"],
  stored: ["✓", "stored by the cloud"],
  delivered: ["✓✓", "decrypted by the other device"],
  failed: ["!", "could not be sent"],
};

const connectionText: Readonly<Record<ConnectionLabel, string>> = {
  connecting: "Connecting…",
  online: "Online",
  offline: "Offline",
};

export function createChatPane(side: Side, name: string, other: string, actions: ChatPaneActions): ChatPane {
  const state = element("span", { class: "state", "aria-live": "polite" });
  const account = element("code", { class: "account", title: "The name of the account" });
  const toggle = element("button", {
    class: "switch",
    type: "button",
    role: "switch",
    "aria-checked": "true",
    "aria-label": `${name} is online`,
    title: `Take ${name} offline or online`,
  });
  const list = element("ol", { class: "messages" });
  const scroller = element(
    "div",
    { class: "scroller", role: "log", "aria-label": `What ${name} reads`, tabindex: "0" },
    list,
  );
  const follow = followEnd(scroller);
  const typing = element("p", { class: "typing", "aria-live": "polite" });
  const input = element("input", {
    id: `${side}-text`,
    autocomplete: "off",
    enterkeyhint: "send",
    maxlength: "2000",
    placeholder: "Making keys …",
    disabled: "",
  });
  const button = element(
    "button",
    { type: "submit", "aria-label": `Send as ${name}`, title: "Send", disabled: "" },
    sendIcon(),
  );
  const form = element(
    "form",
    { class: "composer" },
    element("label", { class: "unseen", for: input.id }, `${name} writes to ${other}`),
    input,
    button,
  );
  const root = element(
    "section",
    { class: "person", "data-side": side, "aria-labelledby": `${side}-name` },
    element(
      "header",
      {},
      element("span", { class: "avatar", "aria-hidden": "true" }, name.slice(0, 1)),
      element("div", { class: "who" }, element("h2", { id: `${side}-name` }, name), element("p", {}, state, account)),
      toggle,
    ),
    scroller,
    typing,
    form,
  );

  toggle.addEventListener("click", () => actions.setOnline(toggle.getAttribute("aria-checked") !== "true"));
  input.addEventListener("input", () => actions.typing());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (text === "") return;
    input.value = "";
    actions.send(text);
  });

  const shown = new Map<string, HTMLLIElement>();
  return {
    root,
    show(message) {
      const before = shown.get(message.key);
      const placed = before?.dataset["seq"] !== undefined;
      // What the log has is not taken back to waiting.
      if (placed && message.seq === undefined) return;
      const item = messageItem(message, name, other);
      shown.set(message.key, item);
      if (before === undefined) item.classList.add("arriving");
      if (before !== undefined && placed === (message.seq !== undefined)) return before.replaceWith(item);
      before?.remove();
      // In the order of the log; what is not in it yet stands last.
      const waiting = message.seq === undefined ? null : list.querySelector(".message:not([data-seq])");
      list.insertBefore(item, waiting);
      follow();
    },
    notice(text) {
      list.append(element("li", { class: "notice" }, text));
      follow();
    },
    open() {
      input.disabled = false;
      button.disabled = false;
      input.placeholder = `Write to ${other}`;
    },
    setAccount(text) {
      account.textContent = text;
    },
    setConnection(connection) {
      state.textContent = connectionText[connection];
      root.dataset["connection"] = connection;
      toggle.setAttribute("aria-checked", String(connection !== "offline"));
    },
    setTyping(isTyping) {
      typing.textContent = isTyping ? `${other} is typing` : "";
    },
    mark(seq) {
      for (const item of shown.values()) {
        item.classList.toggle("marked", seq !== undefined && item.dataset["seq"] === String(seq));
      }
      list.querySelector(".marked")?.scrollIntoView({ block: "nearest" });
    },
  };
}

function messageItem(message: ShownMessage, name: string, other: string): HTMLLIElement {
  const meta = element("span", { class: "meta" }, timeOfDay(message.at));
  if (message.progress !== undefined) {
    const [sign, meaning] = progressText[message.progress];
    meta.append(element("span", { class: "ticks", role: "img", "aria-label": meaning, title: meaning }, sign));
  }
  return element(
    "li",
    {
      class: message.own ? "message own" : "message",
      "data-progress": message.progress,
      "data-seq": message.seq === undefined ? undefined : String(message.seq),
      title: exactTime(message.at),
    },
    element("span", { class: "unseen" }, `${message.own ? name : other}: `),
    element("p", { dir: "auto" }, message.text),
    meta,
  );
}

function sendIcon(): SVGSVGElement {
  const namespace = "http://www.w3.org/2000/svg";
  const icon = document.createElementNS(namespace, "svg");
  icon.setAttribute("viewBox", "0 0 20 20");
  icon.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(namespace, "path");
  path.setAttribute("d", "M10 16V4M4.5 9.5 10 4l5.5 5.5");
  icon.append(path);
  return icon;
}
