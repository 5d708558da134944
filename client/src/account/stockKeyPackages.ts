/** Keeping key packages of this device out, so that others can reach it while it is away. */
import { encodeBase64Url, limits, type Request } from "@tacit/protocol";
import { announceLater } from "./siblings.ts";
import type { Connection } from "../connection/connection.ts";
import type { SealedStore } from "../sealedStore.ts";
import { fromUtf8, utf8 } from "../session/bytes.ts";
import type { SessionContext } from "../session/conversation.ts";
import {
  decodeKeyPackageItem,
  isFresh,
  isOutdated,
  keyPackageKey,
  keyPackagePrefix,
  makeKeyPackage,
  shortage,
  splitForFrame,
  storedKeyPackage,
  type StockedKeyPackage,
} from "../session/group/keyPackages.ts";
import { lastSecondOf } from "../session/group/member.ts";

export interface StockDeps {
  readonly connection: Connection;
  readonly store: SealedStore;
  readonly context: SessionContext;
}

type PublishedKeyPackage = Request<"publishKeyPackages">["keyPackages"][number];

/** Where the store has the hash of the last-resort one that the relay is known to hold. */
const lastResortKey = "last-resort";

/**
 * Publishes where they run short, or get old. What was made is stored first and published at most once: after a lost answer nobody knows
 * whether it was claimed already, and a second publication would let it be used twice. With a new last-resort one the account's other devices are told: they may have found none that holds, and not ask again.
 */
export async function stockKeyPackages({ connection, store, context }: StockDeps): Promise<void> {
  const { count, lastResort } = await connection.request("countKeyPackages", {});
  const now = connection.now();
  const kept = await keptKeyPackages(store);
  const fresh = kept.filter((each) => isFresh(each, now));
  const left = Math.min(count, fresh.filter((each) => !each.lastResort).length);
  const known = await store.get(lastResortKey);
  const hasLastResort = lastResort && known !== undefined && fresh.some(({ hash }) => hash === fromUtf8(known));

  const make = (isLastResort: boolean): Promise<StockedKeyPackage> =>
    makeKeyPackage(context, context.member, { now, lastResort: isLastResort });
  const made: StockedKeyPackage[] = [];
  const wanted = Math.min(shortage(left), limits.keyPackagesPerDevice - count);
  for (let i = 0; i < wanted; i++) made.push(await make(false));
  const last = hasLastResort ? undefined : await make(true);

  const writes = made.map(storedKeyPackage);
  if (last !== undefined) writes.push(storedKeyPackage(last), announceLater);
  if (writes.length > 0) await store.commit(writes);

  if (last !== undefined) {
    await connection.request("publishKeyPackages", { keyPackages: [], lastResort: published(last) });
    await store.commit([{ key: lastResortKey, value: utf8(last.hash) }]);
  }
  for (let rest: readonly StockedKeyPackage[] = made; rest.length > 0;) {
    const [fitting, later] = splitForFrame(rest);
    await connection.request("publishKeyPackages", { keyPackages: fitting.map(published) });
    rest = later;
  }
}

/**
 * Forgets those that no Welcome can name any more. Call it when the inbox was read: a Welcome may have lain there for as long as this device was away.
 */
export async function dropOutdatedKeyPackages({ connection, store }: Omit<StockDeps, "context">): Promise<void> {
  const now = connection.now();
  const outdated = (await keptKeyPackages(store)).filter((each) => isOutdated(each, now));
  if (outdated.length > 0) await store.commit(outdated.map(({ hash }) => ({ key: keyPackageKey(hash) })));
}

async function keptKeyPackages(store: SealedStore): Promise<readonly StockedKeyPackage[]> {
  return (await store.scan(keyPackagePrefix)).map(([key, value]) =>
    decodeKeyPackageItem(key.slice(keyPackagePrefix.length), value),
  );
}

function published({ hash, bytes, createdAt }: StockedKeyPackage): PublishedKeyPackage {
  return { hash, data: encodeBase64Url(bytes), notAfter: lastSecondOf(createdAt) };
}
