/** What `send` hands out: a message on its way, and where it has got to. */
import type { Message, OutgoingMessage } from "../api.ts";
import { deferred } from "../deferred.ts";
import type { TacitError } from "../errors.ts";

export class Outgoing implements OutgoingMessage {
  readonly id: string;
  readonly text: string;
  readonly sentAt: number;
  #status: OutgoingMessage["status"] = "queued";
  readonly #sent = deferred<Message>();

  constructor({ id, text, sentAt }: { readonly id: string; readonly text: string; readonly sentAt: number }) {
    this.id = id;
    this.text = text;
    this.sentAt = sentAt;
  }

  get status(): OutgoingMessage["status"] {
    return this.#status;
  }
  get sent(): Promise<Message> {
    return this.#sent.promise;
  }
  arrived(message: Message): void {
    this.#status = "sent";
    this.#sent.resolve(message);
  }
  stop(error: TacitError): void {
    if (error.code !== "closed") this.#status = "failed";
    this.#sent.reject(error);
  }
}
