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

/** Keeps the end of `scroller` in view while the reader is there. The answer is to be called after each addition. */
export function followEnd(scroller: HTMLElement): () => void {
  let following = true;
  scroller.addEventListener("scroll", () => {
    following = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 48;
  });
  const follow = (): void => {
    if (following) scroller.scrollTop = scroller.scrollHeight;
  };
  new ResizeObserver(follow).observe(scroller);
  return follow;
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
