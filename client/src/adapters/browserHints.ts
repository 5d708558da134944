/** What a page, or a worker, can tell of its device: Page Visibility, Page Lifecycle, online state, Network Information. */
import type { DeviceHint, DeviceHints } from "../ports.ts";

/** The parts of the platform that are used here; a worker has no document. */
export interface BrowserLike extends EventTarget {
  readonly document?: EventTarget & { readonly visibilityState: string };
  readonly navigator?: { readonly onLine?: boolean; readonly connection?: EventTarget };
}

/** A page that was hidden for a working day is forgotten. Until then its title, sounds and notifications are what it is kept open for. */
const workingDay = 8 * 60 * 60_000;

export function browserHints(browser: BrowserLike = globalThis): DeviceHints {
  return {
    restAfter: workingDay,
    watch(listener) {
      const { document, navigator } = browser;
      const visibility = (): DeviceHint => (document?.visibilityState === "hidden" ? "background" : "foreground");
      const watched: (readonly [EventTarget | undefined, string, (event: Event) => DeviceHint | undefined])[] = [
        [document, "visibilitychange", visibility],
        // Into the back/forward cache, which refuses pages that hold a socket, and out of it.
        [browser, "pagehide", (event) => (isKept(event) ? "suspending" : undefined)],
        [browser, "pageshow", (event) => (isKept(event) ? visibility() : undefined)],
        [document, "freeze", () => "suspending"],
        [document, "resume", visibility],
        [browser, "online", () => "networkUp"],
        [browser, "offline", () => "networkDown"],
        [navigator?.connection, "change", () => (navigator?.onLine === false ? undefined : "networkChanged")],
      ];
      const ends = watched.map(([target, type, hintOf]) => {
        const handle = (event: Event): void => {
          const hint = hintOf(event);
          if (hint !== undefined) listener(hint);
        };
        target?.addEventListener(type, handle);
        return () => target?.removeEventListener(type, handle);
      });
      if (visibility() === "background") listener("background");
      if (navigator?.onLine === false) listener("networkDown");
      return () => ends.forEach((end) => end());
    },
  };
}

function isKept(event: Event): boolean {
  return (event as { readonly persisted?: boolean }).persisted === true;
}
