/** What the Directory table holds: records, key packages, proofs, counters. */
import { randomId } from "../../../bench/rawDevice.ts";
import type { StoredAccount, StoredBackup } from "../../../lambdas/ports.ts";
import type { MakePorts } from "./ports.ts";

const record = (version: number): StoredAccount => ({
  signed: { payload: randomId(40), signature: randomId(64) },
  version,
  accountKey: randomId(32),
  devices: [randomId(32), randomId(32)],
  revoked: [randomId(32)],
});

export function directoryContract(make: MakePorts): void {
  describe("directory", () => {
    test("a record is followed by one successor", async () => {
      const { directory } = make();
      const account = randomId();
      const [first, rival, second] = [record(1), record(1), record(2)];
      expect(await directory.get(account)).toBeUndefined();
      expect(await directory.put(account, first, undefined)).toEqual({ landed: true });
      expect(await directory.get(account)).toEqual(first);
      expect(await directory.put(account, rival, undefined)).toEqual({ landed: false, found: first });
      expect(await directory.put(account, second, 1)).toEqual({ landed: true });
      expect(await directory.put(account, record(2), 1)).toEqual({ landed: false, found: second });
      expect(await directory.put(account, record(4), 3)).toEqual({ landed: false, found: second });
      expect(await directory.get(account)).toEqual(second);
    });
  });

  describe("receipts", () => {
    const receipt = () => ({ payload: randomId(90), signature: randomId(64) });

    test("a version has one: whoever comes late is told which", async () => {
      const { directory } = make();
      const account = randomId();
      await directory.put(account, record(1), undefined);
      const rivals = Array.from({ length: 4 }, receipt);
      const stored = await Promise.all(rivals.map((one) => directory.setReceipt(account, 1, one)));
      expect(rivals).toContainEqual(stored[0]);
      expect(stored).toEqual(Array(4).fill(stored[0]));
      expect((await directory.get(account))?.receipt).toEqual(stored[0]);
    });

    test("two versions never share one", async () => {
      const { directory } = make();
      const account = randomId();
      const [old, fresh] = [receipt(), receipt()];
      expect(await directory.setReceipt(account, 1, old)).toBeUndefined();
      await directory.put(account, record(1), undefined);
      await directory.setReceipt(account, 1, old);
      await directory.put(account, record(2), 1);
      expect((await directory.get(account))?.receipt).toBeUndefined();
      // One that was being signed when the next version came.
      expect(await directory.setReceipt(account, 1, old)).toBeUndefined();
      expect((await directory.get(account))?.receipt).toBeUndefined();
      expect(await directory.setReceipt(account, 2, fresh)).toEqual(fresh);
      expect(await directory.setReceipt(account, 1, old)).toBeUndefined();
    });
  });

  describe("backups", () => {
    const backup = (version: number): StoredBackup => ({
      version,
      at: 1_000,
      manifest: randomId(200),
      blobs: [
        { hash: randomId(32), size: 5 },
        { hash: randomId(32), size: 64 * 1024 * 1024 },
      ],
      removed: [randomId(32)],
    });

    test("each follows the one before, and one alone", async () => {
      const { backups } = make();
      const account = randomId();
      const [first, second] = [backup(1), { ...backup(2), blobs: [], removed: [] }];
      expect(await backups.get(account)).toBeUndefined();
      expect(await backups.put(account, backup(2))).toEqual({ landed: false, found: undefined });
      expect(await backups.put(account, first)).toEqual({ landed: true });
      expect(await backups.put(account, backup(1))).toEqual({ landed: false, found: first });
      expect(await backups.get(account)).toEqual(first);
      const outcomes = await Promise.all([backups.put(account, second), backups.put(account, second)]);
      expect(outcomes).toEqual(expect.arrayContaining([{ landed: true }, { landed: false, found: second }]));
      expect(await backups.get(account)).toEqual(second);
      expect(await backups.get(randomId())).toBeUndefined();
    });
  });

  describe("key packages", () => {
    const keyPackage = (notAfter = 9) => ({ hash: randomId(32), data: randomId(100), notAfter });

    test("each is given out once, however many ask", async () => {
      const { keyPackages } = make();
      const [account, device] = [randomId(), randomId(32)];
      const added = Array.from({ length: 5 }, () => keyPackage());
      for (const one of added) await keyPackages.add(account, device, one);
      await keyPackages.add(account, randomId(32), keyPackage());
      expect(await keyPackages.count(account, device)).toBe(5);
      const taken = await Promise.all(added.map(() => keyPackages.take(account, device)));
      const byHash = (a: { hash: string } | undefined, b: { hash: string } | undefined) =>
        (a?.hash ?? "") < (b?.hash ?? "") ? -1 : 1;
      expect(taken.sort(byHash)).toEqual(added.sort(byHash));
      expect(await keyPackages.take(account, device)).toBeUndefined();
      expect(await keyPackages.count(account, device)).toBe(0);
    });

    test("one that is there, or was given out, is not added again", async () => {
      const { keyPackages } = make();
      const [account, device, one] = [randomId(), randomId(32), keyPackage()];
      expect(await keyPackages.add(account, device, one)).toBe(true);
      expect(await keyPackages.add(account, device, one)).toBe(false);
      expect(await keyPackages.count(account, device)).toBe(1);
      expect(await keyPackages.take(account, device)).toEqual(one);
      expect(await keyPackages.add(account, device, one)).toBe(false);
      expect([await keyPackages.count(account, device), await keyPackages.take(account, device)]).toEqual([
        0,
        undefined,
      ]);
      expect(await keyPackages.add(account, randomId(32), one)).toBe(true);
    });

    test("the last resort stays, and is replaced", async () => {
      const { keyPackages } = make();
      const [account, device] = [randomId(), randomId(32)];
      const [old, fresh] = [keyPackage(), keyPackage()];
      expect(await keyPackages.lastResort(account, device)).toBeUndefined();
      await keyPackages.setLastResort(account, device, old);
      await keyPackages.setLastResort(account, device, fresh);
      expect(await keyPackages.lastResort(account, device)).toEqual(fresh);
      expect(await keyPackages.lastResort(account, device)).toEqual(fresh);
      // It is none of those that are counted and taken.
      expect(await keyPackages.count(account, device)).toBe(0);
      expect(await keyPackages.take(account, device)).toBeUndefined();
    });

    test("those whose time is over are as if they were not there", async () => {
      const { keyPackages } = make();
      const [account, device] = [randomId(), randomId(32)];
      const good = keyPackage(0);
      for (const one of [keyPackage(-1), good, keyPackage(-90)]) await keyPackages.add(account, device, one);
      await keyPackages.setLastResort(account, device, keyPackage(-1));
      expect(await keyPackages.count(account, device)).toBe(1);
      expect(await keyPackages.take(account, device)).toEqual(good);
      expect(await keyPackages.take(account, device)).toBeUndefined();
      expect(await keyPackages.lastResort(account, device)).toBeUndefined();
    });

    test("clearing takes those of one device", async () => {
      const { keyPackages } = make();
      const [account, device, other] = [randomId(), randomId(32), randomId(32)];
      const ended = keyPackage(-1);
      await keyPackages.add(account, device, ended);
      for (const one of [device, other]) {
        await keyPackages.add(account, one, keyPackage());
        await keyPackages.setLastResort(account, one, keyPackage());
      }
      await keyPackages.clear(account, device);
      // That one is gone as well: it can come again.
      expect(await keyPackages.add(account, device, ended)).toBe(true);
      expect([await keyPackages.count(account, device), await keyPackages.count(account, other)]).toEqual([0, 1]);
      expect(await keyPackages.lastResort(account, device)).toBeUndefined();
      expect(await keyPackages.lastResort(account, other)).toBeDefined();
    });
  });

  describe("proofs", () => {
    test("each counts once for a device", async () => {
      const { proofs } = make();
      const [account, device, jti] = [randomId(), randomId(32), randomId()];
      const first = await Promise.all([1, 2, 3].map(() => proofs.firstUse(account, device, jti, 9_000)));
      expect(first.filter(Boolean)).toHaveLength(1);
      expect(await proofs.firstUse(account, device, randomId(), 9_000)).toBe(true);
      expect(await proofs.firstUse(account, randomId(32), jti, 9_000)).toBe(true);
    });
  });

  describe("counters", () => {
    test("add up, each under its name", async () => {
      const { counters } = make();
      const account = randomId();
      expect(await counters.add(account, "a", 32, 9_000)).toBe(32);
      expect(await counters.add(account, "a", 32, 9_000)).toBe(64);
      expect(await counters.add(account, "b", 1, 9_000)).toBe(1);
      expect(await counters.add(randomId(), "a", 1, 9_000)).toBe(1);
    });

    test("stay within a limit", async () => {
      const { counters } = make();
      const account = randomId();
      const added = await Promise.all(Array.from({ length: 5 }, () => counters.add(account, "a", 3, 9_000, 10)));
      expect(added.filter((value) => value !== undefined).sort((a, b) => a - b)).toEqual([3, 6, 9]);
      expect(await counters.add(account, "a", 1, 9_000, 10)).toBe(10);
      expect(await counters.add(account, "a", 1, 9_000, 10)).toBeUndefined();
      expect(await counters.add(account, "b", 11, 9_000, 10)).toBeUndefined();
      expect(await counters.add(account, "b", 10, 9_000, 10)).toBe(10);
    });
  });
}
