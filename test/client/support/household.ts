/** Several devices of one account. */
import { connect, type Client, type Device, type LinkCodeShown, type Store, type Transport } from "@tacit/client";
import { memoryStore } from "@tacit/client/memory";
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
  readonly transport?: Transport;
}

/** A device that shows a code. */
export function newcomer({ clock, relay }: Stage, account: string, options: NewcomerOptions = {}): Newcomer {
  const { store = memoryStore(), name, transport = relay.transport } = options;
  const codes: LinkCodeShown[] = [];
  const end = new AbortController();
  let first!: (code: LinkCodeShown) => void;
  const code = new Promise<LinkCodeShown>((resolve) => (first = resolve));
  const onCode = (shown: LinkCodeShown): void => {
    codes.push(shown);
    first(shown);
  };
  const { url, blobs } = relay;
  const link = { onCode, signal: end.signal, ...(name === undefined ? {} : { name }) };
  const connected = connect({ url, token: relay.token(account), store, suite, transport, blobs, clock, link });
  connected.catch(() => {});
  return { connected, codes, code, cancel: () => end.abort() };
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
