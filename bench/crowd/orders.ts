/** What the process of a benchmark tells those that hold its devices, and what they answer. */

export interface Newcomer {
  readonly account: string;
  readonly token: string;
}

/** Where one device is in a conversation. */
export interface Standing {
  readonly account: string;
  readonly phase: string;
  readonly members: number;
  /** Decimal. */
  readonly epoch: string;
  /** Hex; all members of one epoch have the same. */
  readonly authenticator: string;
  /** Texts of messages, in order. */
  readonly texts: readonly string[];
  readonly unreadable: number;
}

/** Milliseconds since 1970, by account. */
export type Times = Readonly<Record<string, number>>;

interface OfAccounts {
  readonly account: string;
  readonly conversation: string;
  readonly accounts: readonly string[];
}

/** Each is about all devices of the process, unless it names `account`. */
export type Order =
  | {
      readonly do: "arrive";
      readonly url: string;
      readonly suite: number;
      readonly patience: number;
      /** Requests of the whole process at a time; undefined: any number. */
      readonly atOnce: number | undefined;
      readonly devices: readonly Newcomer[];
    }
  | { readonly do: "create"; readonly account: string; readonly members: readonly string[] }
  | ({ readonly do: "invite" } & OfAccounts)
  | ({ readonly do: "remove" } & OfAccounts)
  | { readonly do: "repair"; readonly account: string; readonly conversation: string }
  | { readonly do: "send"; readonly account: string; readonly conversation: string; readonly text: string }
  /** Everybody at `at`; every tenth device says something meanwhile. */
  | { readonly do: "rotateAll"; readonly conversation: string; readonly at: number; readonly talk: boolean }
  /** Until they are in, among so many. */
  | {
      readonly do: "awaitMembers";
      readonly conversation: string;
      readonly members: number;
      readonly except: readonly string[];
    }
  /** Until they are in this epoch or a later one. Where `within` is given: who is not after so many milliseconds is missing in the answer. */
  | {
      readonly do: "awaitEpoch";
      readonly conversation: string;
      readonly epoch: string;
      readonly within?: number;
      readonly except: readonly string[];
    }
  | { readonly do: "awaitBack"; readonly account: string; readonly conversation: string }
  /** Until they show it. Who does not after so many milliseconds is missing in the answer. */
  | {
      readonly do: "awaitText";
      readonly conversation: string;
      readonly text: string;
      readonly within: number;
      readonly except: readonly string[];
    }
  | { readonly do: "standings"; readonly conversation: string }
  | { readonly do: "usage" };

export interface Usage {
  readonly residentBytes: number;
  readonly processorMs: number;
  readonly failures: readonly string[];
}

export interface Rotated {
  /** When its own commit was in the log, by account. */
  readonly landed: Times;
  /** What devices were told to say, whatever came of it. */
  readonly told: readonly string[];
  readonly failed: readonly string[];
}

export type Answer<O extends Order["do"]> = O extends "create"
  ? string
  : O extends "rotateAll"
    ? Rotated
    : O extends "awaitMembers" | "awaitEpoch" | "awaitText" | "awaitBack"
      ? Times
      : O extends "standings"
        ? readonly Standing[]
        : O extends "usage"
          ? Usage
          : null;

export type OrderNamed<O extends Order["do"]> = Extract<Order, { readonly do: O }>;
