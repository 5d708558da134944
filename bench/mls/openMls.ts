/** OpenMLS through openmls-wasm 0.1.0: what its binding can do, in a group of two. */
import type { Group, Identity, KeyPackage, Provider, RatchetTree } from "openmls-wasm";
import { timed, timedRepeatedly, type Measure } from "./measure.ts";
import { payload } from "./ours.ts";
import type { PeerMeasure } from "./row.ts";

export interface OpenMlsBinding {
  readonly Provider: typeof Provider;
  readonly Identity: typeof Identity;
  readonly Group: typeof Group;
}

/** Suite 0x0003, the only one of the binding. */
export function openMlsMeasures({ Provider, Identity, Group }: OpenMlsBinding): PeerMeasure[] {
  const alice = new Provider();
  const bob = new Provider();
  const aliceIdentity = new Identity(alice, "alice");
  const bobIdentity = new Identity(bob, "bob");
  const group = Group.create_new(alice, aliceIdentity, "benchmark");
  const add = (keyPackage: KeyPackage): { welcome: Uint8Array; commit: Uint8Array; tree: () => RatchetTree } => {
    const added = group.propose_and_commit_add(alice, aliceIdentity, keyPackage);
    return { welcome: added.welcome, commit: added.commit, tree: () => group.export_ratchet_tree() };
  };
  const { welcome } = add(bobIdentity.key_package(bob));
  group.merge_pending_commit(alice);
  const joined = Group.join(bob, welcome, group.export_ratchet_tree());
  const queue: Uint8Array[] = [];
  const encrypt = (): void => {
    queue.push(group.create_message(alice, aliceIdentity, payload));
  };
  encrypt();
  const bytes = queue[0]?.length ?? 0;
  const of = (operation: string, run: Measure["run"]): PeerMeasure => ({
    library: "openmls-wasm 0.1.0",
    suite: 0x0003,
    operation,
    size: 2,
    bytes,
    measure: { key: `openmls/${operation}`, run, most: 20 },
  });
  return [
    of("encrypt", (count) => timedRepeatedly(count, encrypt)),
    of("decrypt", async (count) => {
      while (queue.length < count) encrypt();
      return timed(queue.splice(0, count), (message) => joined.process_message(bob, message));
    }),
  ];
}
