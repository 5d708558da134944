/** People who registered, left key packages behind, and went to sleep: made once, and put into the tables of as many relays as are wanted. */
import { memoryInbox } from "../../support/memoryInbox.ts";
import { stage, type Stage } from "./stage.ts";
import { publishKeyPackage, stranger } from "./stranger.ts";

export interface Sleepers {
  readonly names: readonly string[];
  readonly lieDown: (world: Stage) => void;
  /** Of each, how many of the key packages were taken. */
  readonly taken: (world: Stage) => readonly number[];
  /** Of each, the conversations that it would find Welcomes of. */
  readonly welcomes: (world: Stage) => Promise<readonly (readonly string[])[]>;
}

export async function sleepers(count: number, keyPackages: number): Promise<Sleepers> {
  const names = Array.from({ length: count }, (_, index) => `sleeper-${String(index).padStart(3, "0")}`);
  const cradle = stage();
  for (const name of names) {
    const one = await stranger(cradle, name);
    for (let i = 0; i < keyPackages; i++) await publishKeyPackage(cradle, one);
    one.socket.close();
  }
  const { accounts, keyPackages: packages } = cradle.relay.tables;
  const deviceOf = (name: string): string => accounts.get(name)!.devices[0]!;
  const left = ({ relay }: Stage, name: string): number =>
    relay.tables.keyPackages.get(`${name} ${deviceOf(name)}`)?.size ?? 0;
  return {
    names,
    lieDown({ relay: { tables } }) {
      for (const name of names) {
        const key = `${name} ${deviceOf(name)}`;
        tables.accounts.set(name, accounts.get(name)!);
        tables.keyPackages.set(key, new Map(packages.get(key)));
      }
    },
    taken: (world) => names.map((name) => keyPackages - left(world, name)),
    async welcomes({ relay, clock }) {
      const { inbox } = memoryInbox(
        relay.tables,
        () => clock.now(),
        async () => {},
      );
      const pages = names.map((name) => inbox.page(name, deviceOf(name), undefined, 100));
      return (await Promise.all(pages)).map(({ items }) =>
        items.flatMap((item) => (item.kind === "welcome" ? [item.conversation] : [])),
      );
    },
  };
}
