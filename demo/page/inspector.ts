/** The parts of one stored item, its ciphertext, and who knows what of it. */
import type { StoredFields } from "../cloudEvents.ts";
import { fromBase64, hexDump } from "./bytes.ts";
import { element, exactTime, sizeOf } from "./dom.ts";
import { largestBytes, text } from "./summary.ts";

const shownBytes = 512;

/** Of an entry in the log, under full names. */
export function entryDetail(item: StoredFields, size: number): HTMLElement {
  const say = (name: string): string => text(item[name]);
  const posted = say("posted by");
  const parts: [string, string][] = [
    ["Kind", say("kind")],
    ["Place in the log", `seq ${say("seq")}, after ${say("previous")}`],
    ["Turn", `${say("turn")} (commits before it)`],
    ["Accepted", say("accepted")],
    ["Kept until", say("expires")],
    ["Size", `${sizeOf(size)} stored`],
    ["Sender", posted === "" ? "not stored" : posted],
  ];
  return element(
    "div",
    { class: "inspection" },
    definitions(parts),
    ciphertext(item, "an MLS header that names conversation and epoch, then ciphertext"),
    knowledge(say("kind")),
  );
}

/** Of anything else: each attribute as it is stored, under its full name. */
export function itemDetail(item: StoredFields, size: number, at: number): HTMLElement {
  const parts = Object.entries(item).map(([name, value]): [string, string] => [name, text(value)]);
  const shown: [string, string][] = [...parts, ["size", `${sizeOf(size)}, written ${exactTime(at)}`]];
  return element("div", { class: "inspection" }, definitions(shown), ciphertext(item));
}

function definitions(parts: readonly (readonly [string, string])[]): HTMLElement {
  return element(
    "dl",
    { class: "parts" },
    ...parts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))),
  );
}

/** As hex or base64, by choice. */
function ciphertext(item: StoredFields, content?: string): HTMLElement | string {
  const encoded = largestBytes(item);
  if (encoded === undefined) return "";
  const bytes = fromBase64(encoded);
  const dump = element("pre", { class: "dump", tabindex: "0", "aria-label": "Stored bytes" });
  const buttons = (["hex", "base64"] as const).map((format) => {
    const button = element("button", { type: "button" }, format);
    button.addEventListener("click", () => show(format));
    return [format, button] as const;
  });
  const show = (chosen: "hex" | "base64"): void => {
    dump.textContent = chosen === "hex" ? hexDump(bytes, shownBytes) : encoded;
    dump.dataset["format"] = chosen;
    for (const [format, button] of buttons) button.setAttribute("aria-pressed", String(format === chosen));
  };
  show("hex");
  return element(
    "figure",
    { class: "ciphertext" },
    element(
      "figcaption",
      {},
      element("span", {}, `${bytes.length.toLocaleString("en")} bytes${content === undefined ? "" : `: ${content}`}`),
      element(
        "span",
        { class: "formats", role: "group", "aria-label": "Format" },
        ...buttons.map(([, button]) => button),
      ),
    ),
    dump,
  );
}

/** What the cloud knows is the table of the threat model; a test reads every table and proves it. */
function knowledge(kind: string): HTMLElement {
  const rows: readonly (readonly [string, boolean | string])[] =
    kind === "message"
      ? [
          ["What it says", false],
          ["Who wrote it", "seen in passing, not stored"],
          ["Who takes part", true],
          ["When, and how long", true],
          ["The keys", false],
        ]
      : [
          ["What it changes", "the roster alone"],
          ["Who posted it", true],
          ["Who takes part", true],
          ["When, and how long", true],
          ["The keys", false],
        ];
  return element(
    "table",
    { class: "knowledge" },
    element("caption", {}, "Who knows"),
    element(
      "thead",
      {},
      element("tr", {}, ...["", "Alice", "Cloud", "Bob"].map((name) => element("th", { scope: "col" }, name))),
    ),
    element(
      "tbody",
      {},
      ...rows.map(([what, cloud]) =>
        element("tr", {}, element("th", { scope: "row" }, what), knows(true), knows(cloud), knows(true)),
      ),
    ),
  );
}

function knows(answer: boolean | string): HTMLTableCellElement {
  if (typeof answer === "string") return element("td", { "data-knows": "partly" }, answer);
  return element("td", { "data-knows": answer ? "yes" : "no" }, answer ? "knows" : "cannot know");
}
