/** Keeping key packages of this device out, so that others can reach it while it is away. */
import { encodeBase64Url, limits } from "@tacit/protocol";
import type { Connection } from "./connection.ts";
import type { SealedStore } from "./sealedStore.ts";
import { fromUtf8, utf8 } from "./session/bytes.ts";
import type { SessionContext } from "./session/conversation.ts";
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
} from "./session/keyPackages.ts";

export interface StockDeps {
  readonly connection: Connection;
  readonly store: SealedStore;
  readonly context: SessionContext;
}

/** Where the store has the hash of the last-resort one that the relay is known to hold. */
const lastResortKey = "last-resort";

/**
 * Publishes where they run short, or get old: the relay keeps the expired ones as well, and does not tell. What was made is stored
 * first and published at most once: after a lost answer nobody knows whether it was claimed already, and a second publication would
 * let it be used twice.
 */
export async function stockKeyPackages({ connection, store, context }: StockDeps): Promise<void> {
  const { count, lastResort } = await connection.request("countKeyPackages", {});
  const now = connection.now();
  const kept = (await store.scan(keyPackagePrefix)).map(([key, value]) =>
    decodeKeyPackageItem(key.slice(keyPackagePrefix.length), value),
  );
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

  const writes = [...made, ...(last === undefined ? [] : [last])].map(storedKeyPackage);
  const outdated = kept.filter((each) => isOutdated(each, now)).map(({ hash }) => ({ key: keyPackageKey(hash) }));
  if (writes.length + outdated.length > 0) await store.commit([...writes, ...outdated]);

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

function published({ hash, bytes }: StockedKeyPackage): { readonly hash: string; readonly data: string } {
  return { hash, data: encodeBase64Url(bytes) };
}
