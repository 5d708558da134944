/** What a client tells the application, and who listens. */
import type { ClientEvents } from "./api.ts";
import type { TacitError } from "./errors.ts";
import { listenerSet, patientListenerSet, type ListenerSet } from "./observable.ts";
import { LostAnswer, Refused } from "./connection/relaySocket.ts";
import { translate } from "./translate.ts";

export class Notices {
  readonly #listeners: { readonly [E in keyof ClientEvents]: ListenerSet<ClientEvents[E]> } = {
    conversation: listenerSet(),
    identityChanged: listenerSet(),
    relayEquivocation: listenerSet(),
    devicesChanged: listenerSet(),
    // Some belong to the first connection, before `connect` has handed out the client.
    failure: patientListenerSet(16),
  };

  on<E extends keyof ClientEvents>(event: E, listener: (value: ClientEvents[E]) => void): () => void {
    return this.#listeners[event].add(listener);
  }

  tell<E extends keyof ClientEvents>(event: E, value: ClientEvents[E]): void {
    this.#listeners[event].emit(value);
  }

  /** Whoever closed the client knows that what was under way has stopped. */
  readonly failed = (error: TacitError): void => {
    if (error.code !== "closed") this.tell("failure", error);
  };

  /** The same, where it is more than a network that is down or a relay that is busy. */
  readonly report = (error: unknown): void => {
    if (!(error instanceof LostAnswer || error instanceof Refused)) this.failed(translate(error));
  };
}
