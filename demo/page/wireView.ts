/** Frames as they pass, drawn as a sequence between three lifelines: Alice, the cloud, Bob. */
import type { FrameEvent, Side, SocketEvent } from "../cloudEvents.ts";
import { element, exactTime, followEnd, sizeOf } from "./dom.ts";

export type WireView = {
  readonly root: HTMLElement;
  frame(event: FrameEvent): void;
  socket(event: SocketEvent): void;
};

const remembered = 300;
/** Ciphertext in a frame is shortened to this many characters; the size beside it is the whole. */
const shownText = 72;

export function createWireView(names: Readonly<Record<Side, string>>): WireView {
  const list = element("ol", {
    class: "frames",
    "aria-label": "Frames between the devices and the cloud",
    tabindex: "0",
  });
  const root = element(
    "section",
    { class: "wire", "aria-labelledby": "wire-title" },
    element("h3", { id: "wire-title" }, "On the wire"),
    element(
      "div",
      { class: "lifelines", "aria-hidden": "true" },
      element("span", {}, names.alice),
      element("span", {}, "Cloud"),
      element("span", {}, names.bob),
    ),
    list,
  );

  const follow = followEnd(list);

  function add(row: HTMLElement): void {
    list.append(row);
    while (list.childElementCount > remembered) list.firstElementChild?.remove();
    follow();
  }

  return {
    root,
    frame: (event) => add(frameRow(event, names[event.side])),
    socket(event) {
      const text = `socket ${event.state}`;
      add(
        element(
          "li",
          { class: "passage", "data-side": event.side, "data-state": event.state },
          element("span", { class: "event", title: exactTime(event.at) }, `${names[event.side]}: ${text}`),
        ),
      );
    },
  };
}

function frameRow(event: FrameEvent, name: string): HTMLLIElement {
  const detail = element("pre", { id: `frame-${event.id}`, hidden: "" });
  const spoken = event.direction === "up" ? `${name} to cloud` : `cloud to ${name}`;
  const button = element(
    "button",
    {
      type: "button",
      class: "arrow",
      "aria-expanded": "false",
      "aria-controls": detail.id,
      title: `${exactTime(event.at)}, ${event.kind}`,
    },
    element("span", { class: "unseen" }, `${spoken}: `),
    element("span", { class: "name" }, event.name),
    element("span", { class: "size" }, sizeOf(event.size)),
  );
  button.addEventListener("click", () => {
    detail.hidden = !detail.hidden;
    button.setAttribute("aria-expanded", String(!detail.hidden));
    if (detail.textContent === "") detail.textContent = readable(event.text);
    detail.scrollIntoView({ block: "nearest" });
  });
  return element(
    "li",
    { class: "passage", "data-side": event.side, "data-direction": event.direction, "data-kind": event.kind },
    button,
    detail,
  );
}

/** The frame as it is, with long runs of ciphertext shortened. */
function readable(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), shorten, 2);
  } catch {
    return text;
  }
}

function shorten(_name: string, value: unknown): unknown {
  if (typeof value !== "string" || value.length <= shownText) return value;
  return `${value.slice(0, shownText)}… (${value.length.toLocaleString("en")} characters)`;
}
