/** The relay's ports that hold state: what a suite asks of each pair of adapters. */
import type {
  Backups,
  Connections,
  Conversations,
  Counters,
  Directory,
  Inbox,
  KeyPackages,
  Landing,
  Log,
  Proofs,
  Stages,
} from "../../../lambdas/ports.ts";

export type StatefulPorts = {
  readonly log: Log;
  readonly conversations: Conversations;
  readonly landing: Landing;
  readonly inbox: Inbox;
  readonly stages: Stages;
  readonly directory: Directory;
  readonly backups: Backups;
  readonly keyPackages: KeyPackages;
  readonly proofs: Proofs;
  readonly counters: Counters;
  readonly connections: Connections;
};

/** Fresh ports for each test, or the same with other names: no suite counts on empty tables. Their clock stands at 0. */
export type MakePorts = () => StatefulPorts;
