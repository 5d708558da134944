/** Everything that the rules of the relay stand on. */
import type {
  Backups,
  BellQueue,
  Blobs,
  Clock,
  Connections,
  Conversations,
  Counters,
  Directory,
  Inbox,
  KeyPackages,
  Landing,
  Log,
  Random,
  Receipts,
  Reports,
  Sockets,
  Stages,
  Verify,
} from "../ports.ts";
import type { placeEntry } from "./placeEntry.ts";

export type Settings = {
  /** Milliseconds that an entry lives. */
  readonly retention: number;
  /** Key packages that one account may claim in an hour. */
  readonly claimsPerHour: number;
  /** Messages that one device may append in a minute, approximately. */
  readonly messagesPerMinute: number;
};

export type Relay = {
  readonly log: Log;
  readonly conversations: Conversations;
  readonly landing: Landing;
  readonly inbox: Inbox;
  readonly stages: Stages;
  readonly directory: Directory;
  readonly receipts: Receipts;
  readonly backups: Backups;
  readonly keyPackages: KeyPackages;
  readonly counters: Counters;
  readonly connections: Connections;
  readonly sockets: Sockets;
  readonly bells: BellQueue;
  readonly blobs: Blobs;
  readonly clock: Clock;
  readonly random: Random;
  readonly verify: Verify;
  readonly reports: Reports;
  readonly settings: Settings;
  /** Devices that append too fast, as far as this instance knows: device -> until when. */
  readonly blocked: Map<string, number>;
  /** Sockets that this instance has seen registered; without it, each `append` reads the registration. */
  readonly registered?: Set<string>;
  /** Where an entry goes. An argument so that the model can show that another rule fails. */
  readonly place: typeof placeEntry;
};
