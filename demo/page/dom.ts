/** Makes elements. Text is only ever set as text. */

type Attributes = Readonly<Record<string, string | undefined>>;

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Runs `change`, which adds to `scroller`, and keeps its end in view where it was in view before. */
export function keepingEnd(scroller: HTMLElement, change: () => void): void {
  const atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 48;
  change();
  if (atEnd) scroller.scrollTop = scroller.scrollHeight;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const exactClock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export function timeOfDay(at: number): HTMLTimeElement {
  return element("time", { datetime: new Date(at).toISOString(), title: exactClock.format(at) }, clock.format(at));
}

export function exactTime(at: number): string {
  return exactClock.format(at);
}

export function sizeOf(bytes: number): string {
  return bytes < 10_000 ? `${bytes.toLocaleString("en")} B` : `${(bytes / 1024).toFixed(1)} KB`;
}
