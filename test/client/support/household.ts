/** Several devices of one account. */
import { connect, type Client, type ConnectOptions, type Device, type LinkCodeShown, type Store } from "@tacit/client";
import { memoryStore } from "@tacit/client/memory";
import type { Doom } from "./crash.ts";
import { suite, type Stage } from "./stage.ts";

export interface Newcomer {
  /** Settles as `connect` does. */
  readonly connected: Promise<Client>;
  /** All that it showed, oldest first. */
  readonly codes: readonly LinkCodeShown[];
  /** The first that it shows. */
  readonly code: Promise<LinkCodeShown>;
  readonly cancel: () => void;
}

export interface NewcomerOptions {
  readonly store?: Store;
  readonly name?: string;
  /** Dies at one of its steps. */
  readonly fate?: Doom | undefined;
}

/** A device that shows a code. */
export function newcomer(world: Stage, account: string, options: NewcomerOptions = {}): Newcomer {
  const { store = memoryStore(), name, fate } = options;
  const codes: LinkCodeShown[] = [];
  const end = new AbortController();
  let first!: (code: LinkCodeShown) => void;
  const code = new Promise<LinkCodeShown>((resolve) => (first = resolve));
  const onCode = (shown: LinkCodeShown): void => {
    codes.push(shown);
    first(shown);
  };
  const link = { onCode, signal: end.signal, ...(name === undefined ? {} : { name }) };
  const connected = connect({ ...connecting(world, account, store, fate), link });
  connected.catch(() => {});
  return { connected, codes, code, cancel: () => end.abort() };
}

/** What `connect` is to be given. */
export function connecting({ clock, relay }: Stage, account: string, store: Store, fate?: Doom): ConnectOptions {
  const { url, blobs, transport } = relay;
  const options = { url, token: relay.token(account), suite, blobs };
  return fate === undefined
    ? { ...options, store, transport, clock }
    : { ...options, store: fate.store(store), transport: fate.transport(transport), clock: fate.clock(clock) };
}

/** A device that `holder` has linked, and that has caught up. */
export async function linked(
  world: Stage,
  holder: Client,
  options: NewcomerOptions = {},
): Promise<{ readonly client: Client; readonly device: Device }> {
  const { clock } = world;
  const device = newcomer(world, holder.account, options);
  const { text } = await clock.until(device.code);
  const listed = await clock.until(holder.linkDevice(text));
  const client = await clock.until(device.connected);
  await clock.until(client.caughtUp());
  return { client, device: listed };
}

/** "undefined" where it did not fail. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return (error as { readonly code?: string } | undefined)?.code ?? String(error);
}
