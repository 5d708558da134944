/** The tables as they stand: one tab each, one row for each item, its parts on demand. */
import type { StoredEvent, StoredFields } from "../cloudEvents.ts";
import { inWords, type TableName } from "./attributes.ts";
import { element, sizeOf } from "./dom.ts";
import { entryDetail, itemDetail } from "./inspector.ts";
import { summarise } from "./summary.ts";

export type StoredView = { readonly root: HTMLElement; stored(event: StoredEvent): void };

const tables: readonly TableName[] = ["Log", "Conversations", "Inbox", "Directory", "Connections"];

const meaning: Readonly<Record<TableName, string>> = {
  Log: "Each conversation is one ordered log. Choose an entry to see its parts.",
  Conversations: "Who takes part in what, and how many commits there were.",
  Inbox: "What waits for one device, until it says that it has it.",
  Directory: "Public keys: account records, device certificates, key packages.",
  Connections: "Which device is on which socket now.",
};

export function createStoredView(choose: (seq: number | undefined) => void): StoredView {
  const tabList = element("div", { class: "tabs", role: "tablist", "aria-label": "Tables" });
  const root = element(
    "section",
    { class: "stored", "aria-labelledby": "stored-title" },
    element("h3", { id: "stored-title" }, "At rest"),
    tabList,
  );
  const panels = new Map(tables.map((table) => [table, createPanel(table, choose)]));
  for (const { tab, panel } of panels.values()) {
    tabList.append(tab);
    root.append(panel);
  }

  function select(table: TableName): void {
    for (const [name, { tab, panel }] of panels) {
      const chosen = name === table;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
      panel.hidden = !chosen;
    }
  }
  tables.forEach((table, index) => {
    const tab = panels.get(table)?.tab;
    tab?.addEventListener("click", () => select(table));
    tab?.addEventListener("keydown", ({ key }) => {
      const step = key === "ArrowRight" ? 1 : key === "ArrowLeft" ? -1 : 0;
      const next = tables[(index + step + tables.length) % tables.length];
      if (step === 0 || next === undefined) return;
      select(next);
      panels.get(next)?.tab.focus();
    });
  });
  select("Log");

  return {
    root,
    stored(event) {
      const table = tables.find((name) => name === event.table);
      if (table !== undefined) panels.get(table)?.put(event);
    },
  };
}

function createPanel(table: TableName, choose: (seq: number | undefined) => void) {
  const count = element("span", { class: "count" }, "0");
  const id = `table-${table.toLowerCase()}`;
  const tab = element("button", { type: "button", role: "tab", id: `${id}-tab`, "aria-controls": id }, table, count);
  const list = element("ol", { class: "items" });
  const panel = element(
    "div",
    { class: "panel", role: "tabpanel", id, "aria-labelledby": tab.id, tabindex: "0" },
    element("p", { class: "meaning" }, meaning[table]),
    list,
  );
  const rows = new Map<string, HTMLLIElement>();

  return {
    tab,
    panel,
    put({ key, item, size, at }: StoredEvent): void {
      const before = rows.get(key);
      if (item === undefined) {
        before?.remove();
        rows.delete(key);
      } else {
        const open = before !== undefined && before.querySelector("[aria-expanded=true]") !== null;
        const row = itemRow(table, `${id}-${rowNumber++}`, { item: inWords(table, item), size, at, open, choose });
        rows.set(key, row);
        if (before === undefined) list.prepend(row);
        else before.replaceWith(row);
      }
      count.textContent = String(rows.size);
    },
  };
}

let rowNumber = 0;

type Row = {
  readonly item: StoredFields;
  readonly size: number;
  readonly at: number;
  readonly open: boolean;
  readonly choose: (seq: number | undefined) => void;
};

function itemRow(table: TableName, id: string, { item, size, at, open, choose }: Row): HTMLLIElement {
  const { place, kind, rest, bytes } = summarise(table, item);
  const detail = element("div", { id, class: "detail", hidden: "" });
  const button = element(
    "button",
    { type: "button", class: "item", "aria-expanded": "false", "aria-controls": id },
    element("span", { class: "place" }, place),
    element("span", { class: "kind", "data-kind": kind }, kind),
    element("span", { class: "rest" }, rest),
    element("span", { class: "size" }, sizeOf(size)),
    element("code", { class: "cipher", "aria-label": "last bytes" }, bytes),
  );
  const show = (visible: boolean): void => {
    if (visible && !detail.hasChildNodes()) {
      detail.append(table === "Log" ? entryDetail(item, size) : itemDetail(item, size, at));
    }
    detail.hidden = !visible;
    button.setAttribute("aria-expanded", String(visible));
  };
  button.addEventListener("click", () => {
    show(button.getAttribute("aria-expanded") !== "true");
    if (table === "Log") choose(detail.hidden === false && typeof item["seq"] === "number" ? item["seq"] : undefined);
  });
  show(open);
  return element("li", { class: "arriving" }, button, detail);
}
