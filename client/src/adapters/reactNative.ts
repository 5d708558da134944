/** What a React Native app can tell of its device: AppState of `react-native`, and NetInfo of `@react-native-community/netinfo`. */
import type { DeviceHint, DeviceHints } from "../ports.ts";

/** The parts of both that are used here, so that neither is a dependency. */
export interface AppStateLike {
  readonly currentState?: string | null;
  addEventListener(type: "change", listener: (state: string) => void): { remove(): void };
}
export interface NetInfoLike {
  addEventListener(listener: (state: NetInfoStateLike) => void): () => void;
}
export interface NetInfoStateLike {
  readonly type?: string;
  readonly isConnected: boolean | null;
  readonly details?: unknown;
}

/**
 * Shorter than iOS lets an app run on: a socket that is still open when the app is stopped looks alive to the relay, which then
 * rings it instead of waking the device with a push.
 */
const beforeTheSystemStopsUs = 3_000;

export function reactNativeHints(modules: {
  readonly AppState: AppStateLike;
  readonly NetInfo?: NetInfoLike;
}): DeviceHints {
  const { AppState, NetInfo } = modules;
  return {
    restAfter: beforeTheSystemStopsUs,
    watch(listener) {
      const appState = (state: string | null | undefined): void => {
        // `inactive` is a phone call, or the list of apps: it passes.
        if (state === "active") listener("foreground");
        else if (state === "background") listener("background");
      };
      const subscription = AppState.addEventListener("change", appState);
      if (AppState.currentState === "background") listener("background");
      let before: NetInfoStateLike | undefined;
      const end = NetInfo?.addEventListener((state) => {
        if (state.isConnected === null) return;
        const hint = networkHint(before, state);
        before = state;
        if (hint !== undefined) listener(hint);
      });
      return () => {
        subscription.remove();
        end?.();
      };
    },
  };
}

/** NetInfo repeats itself, e.g. as the strength of a signal changes: only another network counts. */
function networkHint(before: NetInfoStateLike | undefined, now: NetInfoStateLike): DeviceHint | undefined {
  if (now.isConnected === false) return before?.isConnected === false ? undefined : "networkDown";
  if (before?.isConnected === false) return "networkUp";
  return before !== undefined && identity(before) !== identity(now) ? "networkChanged" : undefined;
}

function identity({ type, details }: NetInfoStateLike): string {
  const { ipAddress } = (details ?? {}) as { readonly ipAddress?: unknown };
  return JSON.stringify([type, ipAddress]);
}
