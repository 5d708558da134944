/** Mutual exclusion by key. A holder of several keys takes them in one order, so that holders cannot wait in a circle. */
export interface KeyedLock {
  run<T>(keys: readonly string[], task: () => Promise<T>): Promise<T>;
}

export function createKeyedLock(): KeyedLock {
  const tails = new Map<string, Promise<void>>();
  const acquire = async (key: string): Promise<() => void> => {
    const before = tails.get(key);
    let release = () => {};
    const tail = new Promise<void>((resolve) => (release = resolve));
    tails.set(key, tail);
    await before;
    return () => {
      if (tails.get(key) === tail) tails.delete(key);
      release();
    };
  };
  return {
    async run(keys, task) {
      const releases: (() => void)[] = [];
      for (const key of [...new Set(keys)].sort()) releases.push(await acquire(key));
      try {
        return await task();
      } finally {
        for (const release of releases) release();
      }
    },
  };
}
