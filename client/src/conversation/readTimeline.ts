/** A conversation's timeline as an iteration: what is stored, page by page, then what is stored next, without end. */
import type { IterateOptions } from "../api.ts";
import type { ListenerSet } from "../observable.ts";
import type { SealedStore } from "../sealedStore.ts";
import { decodeTimelineItem, timelineKey, timelinePrefix } from "../session/conversationStore.ts";
import type { TimelineItem } from "../session/timeline.ts";

export interface TimelineSource {
  readonly store: SealedStore;
  readonly conversation: string;
  /** Told when there is more, and when it is over. */
  readonly grown: ListenerSet<void>;
  readonly isClosed: () => boolean;
}

const pageSize = 100;

export async function* readTimeline(
  { store, conversation, grown, isClosed }: TimelineSource,
  { after = 0, signal }: IterateOptions = {},
): AsyncGenerator<TimelineItem, void, undefined> {
  const isOver = (): boolean => isClosed() || signal?.aborted === true;
  let position = after;
  while (!isOver()) {
    // Listening before looking, or what lands in between would be slept through.
    const growth = nextGrowth(grown, signal);
    try {
      const page = await store.scan(timelinePrefix(conversation), {
        after: timelineKey(conversation, position),
        limit: pageSize,
      });
      for (const [, value] of page) {
        const item = decodeTimelineItem(value);
        position = item.position;
        yield item;
        if (isOver()) return;
      }
      if (page.length < pageSize) await growth.happened;
    } finally {
      growth.cancel();
    }
  }
}

function nextGrowth(
  grown: ListenerSet<void>,
  signal: AbortSignal | undefined,
): { readonly happened: Promise<void>; readonly cancel: () => void } {
  let cancel!: () => void;
  const happened = new Promise<void>((resolve) => {
    const end = grown.add(() => cancel());
    cancel = () => {
      end();
      signal?.removeEventListener("abort", cancel);
      resolve();
    };
    signal?.addEventListener("abort", cancel);
  });
  return { happened, cancel };
}
