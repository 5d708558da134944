/** What devices show in the end, against what they must. */
import type { Standing } from "./orders.ts";

/** How many of `members` are in another epoch than most of them, or there without its secrets. */
export function apart(standings: readonly Standing[], members: readonly string[]): number {
  const together = new Map<string, number>();
  for (const { account, epoch, authenticator } of standings) {
    if (!members.includes(account) || authenticator === "") continue;
    const where = `${epoch} ${authenticator}`;
    together.set(where, (together.get(where) ?? 0) + 1);
  }
  return members.length - Math.max(0, ...together.values());
}

/**
 * `expected`: by account, the texts that it was to receive, each once. Lost is what was told to be said and a device does not show, doubled
 * what it shows more than once; both are sums over all devices.
 */
export function received(
  standings: readonly Standing[],
  expected: ReadonlyMap<string, readonly string[]>,
): { readonly lost: number; readonly doubled: number } {
  const shown = new Map(standings.map(({ account, texts }) => [account, texts]));
  let [lost, doubled] = [0, 0];
  for (const [account, texts] of expected) {
    const own = shown.get(account) ?? [];
    const once = new Set(own);
    lost += texts.filter((text) => !once.has(text)).length;
    doubled += own.length - once.size;
  }
  return { lost, doubled };
}
