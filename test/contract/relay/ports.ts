/** The relay's ports that hold state: what a suite asks of each pair of adapters. */
import type {
  Connections,
  Conversations,
  Counters,
  Directory,
  Inbox,
  KeyPackages,
  Landing,
  Log,
  Proofs,
} from "../../../lambdas/ports.ts";

export type StatefulPorts = {
  readonly log: Log;
  readonly conversations: Conversations;
  readonly landing: Landing;
  readonly inbox: Inbox;
  readonly directory: Directory;
  readonly keyPackages: KeyPackages;
  readonly proofs: Proofs;
  readonly counters: Counters;
  readonly connections: Connections;
};

/** Fresh ports for each test, or the same with other names: no suite counts on empty tables. */
export type MakePorts = () => StatefulPorts;
