/** Somebody with a token of an account and a device key of their own, who talks to the relay by hand. */
import type { KeyPair } from "@tacit/mls";
import { encodeBase64Url } from "@tacit/protocol";
import { openRelaySocket, type RelaySocket } from "../../../client/src/connection/relaySocket.ts";
import { encodeAccountMessage, type AccountMessage } from "../../../client/src/session/identity/accountMessage.ts";
import { createIdentity } from "../../../client/src/session/identity/identity.ts";
import { connectProtocols } from "../../../client/src/session/identity/proof.ts";
import { provider, suite } from "./primitives.ts";
import type { Stage } from "./stage.ts";

/** A registered socket of the device that has `deviceKey`. */
export async function socketOf({ clock, relay }: Stage, account: string, deviceKey: KeyPair): Promise<RelaySocket> {
  const { url, transport } = relay;
  const protocols = await connectProtocols(provider, {
    url,
    token: relay.token(account)(),
    deviceKey,
    now: clock.now(),
  });
  const { signal } = new AbortController();
  const opening = openRelaySocket({ transport, clock, url, protocols, signal, push: () => {}, closed: () => {} });
  const socket = await clock.until(opening);
  await clock.until(socket.request("hello", {}));
  return socket;
}

/** With a stolen token, and no certificate. */
export async function thiefOf(world: Stage, account: string) {
  const identity = await createIdentity({ provider, suite });
  return { identity, socket: await socketOf(world, account, identity.deviceKey) };
}

export function sending(account: string, device: string, message: AccountMessage | Uint8Array) {
  const bytes = message instanceof Uint8Array ? message : encodeAccountMessage(message);
  const payload = { inline: encodeBase64Url(bytes) };
  return { account, device, message: encodeBase64Url(provider.random(16)), payload };
}
