/** Which messages a timeline shows already, however long ago: a sender that never learned that one landed may send it again weeks later. */
import type { SealedStore } from "../sealedStore.ts";
import { messageKey } from "../session/conversation.ts";
import { decodeTimelineItem, timelineKey, timelinePrefix } from "../session/conversationStore.ts";
import type { TimelineItem, TimelineMessage } from "../session/timeline.ts";

/** Items that are read at once. */
const page = 512;
/** Milliseconds on its way after which a message is looked up: the state remembers what came last (`recentLimit`). */
const late = 60_000;
/** Nothing was stored before it was said by more milliseconds than that, whatever the clocks. */
const skew = 2 * 3_600_000;

/** Reads a part of the timeline once, as far back as it is asked for, and remembers it. */
export class ShownMessages {
  readonly #store: Pick<SealedStore, "scan">;
  readonly #conversation: string;
  readonly #keys = new Set<string>();
  /** Positions that were read: from the first, and below the second; 0: none. */
  #from = 0;
  #to = 0;
  /** When the first of them was stored. */
  #since = Infinity;

  constructor(store: Pick<SealedStore, "scan">, conversation: string) {
    this.#store = store;
    this.#conversation = conversation;
  }

  /** Whether the timeline has it before its position. @throws TacitError of the store */
  async has(message: TimelineMessage): Promise<boolean> {
    if (message.storedAt - message.sentAt < late) return false;
    if (this.#to === 0) await this.#begin();
    if (this.#to > 0) {
      await this.#readOn(message.position);
      await this.#readBack(message.sentAt - skew);
    }
    return this.#keys.has(keyOf(message));
  }

  async #begin(): Promise<void> {
    const [newest] = await this.#scan({ limit: 1, reverse: true });
    if (newest === undefined) return;
    this.#from = newest.position;
    this.#to = newest.position + 1;
    this.#since = newest.storedAt;
  }

  /** What a step holds that is not stored yet is not there, and is read another time. */
  async #readOn(end: number): Promise<void> {
    while (this.#to < end) {
      const items = await this.#scan({ after: this.#keyAt(this.#to - 1), limit: page });
      const last = items.at(-1);
      if (last === undefined) return;
      this.#to = last.position + 1;
    }
  }

  async #readBack(since: number): Promise<void> {
    while (this.#since > since) {
      const items = await this.#scan({ after: this.#keyAt(this.#from), limit: page, reverse: true });
      const first = items.at(-1);
      this.#since = first?.storedAt ?? -Infinity;
      this.#from = first?.position ?? this.#from;
    }
  }

  async #scan(options: Parameters<SealedStore["scan"]>[1]): Promise<readonly TimelineItem[]> {
    const read = await this.#store.scan(timelinePrefix(this.#conversation), options);
    const items = read.map(([, value]) => decodeTimelineItem(value));
    for (const item of items) if (item.kind === "message") this.#keys.add(keyOf(item));
    return items;
  }

  #keyAt(position: number): string {
    return timelineKey(this.#conversation, position);
  }
}

/** As copies are known by. */
export function keyOf({ from, device, id }: TimelineMessage): string {
  return messageKey({ sender: `${from} ${device}`, id });
}
