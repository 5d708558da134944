/** `uploadBlob`: where to PUT a blob. */
import type { Request } from "@tacit/protocol";
import type { Caller } from "./caller.ts";
import type { Done } from "./done.ts";
import { seconds } from "./expiry.ts";
import type { Relay } from "./relay.ts";
import { Refused } from "./refused.ts";

/** Bytes for which one account is given places in an hour. */
const bytesPerHour = 2 ** 30;
const hour = 60 * 60_000;

/** @throws Refused `rate_limited` */
export async function uploadBlob(
  { blobs, clock, counters }: Relay,
  { account }: Caller,
  blob: Request<"uploadBlob">,
): Promise<Done<"uploadBlob">> {
  const now = clock.now();
  const window = Math.floor(now / hour);
  const end = (window + 1) * hour;
  const counted = await counters.add(account, `uploads#${window}`, blob.size, seconds(end + hour), bytesPerHour);
  if (counted === undefined) throw new Refused("rate_limited", "too many bytes", { retryAfter: end - now });
  return { answer: await blobs.uploadUrl(blob) };
}
