/** Keeping key packages of this device out, so that others can reach it while it is away. */
import { encodeBase64Url } from "@tacit/protocol";
import type { Connection } from "./connection.ts";
import type { SealedStore } from "./sealedStore.ts";
import type { SessionContext } from "./session/conversation.ts";
import {
  decodeKeyPackageItem,
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

/**
 * Publishes where they run short. What was made is stored first and published at most once: after a lost answer nobody knows whether
 * it was claimed already, and a second publication would let it be used twice.
 */
export async function stockKeyPackages({ connection, store, context }: StockDeps): Promise<void> {
  const { count, lastResort } = await connection.request("countKeyPackages", {});
  const now = connection.now();
  const make = (isLastResort: boolean): Promise<StockedKeyPackage> =>
    makeKeyPackage(context, context.member, { now, lastResort: isLastResort });
  const made: StockedKeyPackage[] = [];
  for (let i = 0; i < shortage(count); i++) made.push(await make(false));
  const last = lastResort ? undefined : await make(true);

  const writes = [...made, ...(last === undefined ? [] : [last])].map(storedKeyPackage);
  const outdated = (await store.scan(keyPackagePrefix))
    .map(([key, value]) => decodeKeyPackageItem(key.slice(keyPackagePrefix.length), value))
    .filter((each) => isOutdated(each, now));
  const all = [...writes, ...outdated.map(({ hash }) => ({ key: keyPackageKey(hash) }))];
  if (all.length > 0) await store.commit(all);

  if (last !== undefined) {
    await connection.request("publishKeyPackages", { keyPackages: [], lastResort: published(last) });
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
