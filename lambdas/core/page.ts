/** What fits one answer. */
import { base64UrlLength, limits, type Payload } from "@tacit/protocol";

/** The first of `items`, at least one, whose weights together stay within a page. */
export function firstPage<T>(items: readonly T[], weight: (item: T) => number): readonly T[] {
  let used = 0;
  const end = items.findIndex((item, index) => {
    used += weight(item);
    return index > 0 && used > limits.pagePayload;
  });
  return end < 0 ? items : items.slice(0, end);
}

export function payloadWeight(payload: Payload): number {
  return "inline" in payload ? base64UrlLength(payload.inline) : 0;
}
