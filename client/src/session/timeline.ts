/** What a conversation looks like to its reader, in the order of the log. Stored once, never changed. */

import type { Role } from "./group/groupData.ts";

export interface TimelineMessage {
  readonly kind: "message";
  /** Place in the timeline, from 1, without gaps. */
  readonly position: number;
  /** Place in the log of its generation. */
  readonly seq: number;
  /** Chosen by the sender; unique for the sender. */
  readonly id: string;
  /** Account that sent it, as proven by its device's signature. */
  readonly from: string;
  readonly device: string;
  readonly text: string;
  /** The sender's clock, milliseconds since 1970. */
  readonly sentAt: number;
  /** The relay's clock. */
  readonly storedAt: number;
  /** Of this account, from whichever of its devices. */
  readonly mine: boolean;
  readonly status: "sent";
}

export type UnreadableReason =
  /** Made for a key that this device does not hold: a copy, an earlier or a foreign key. */
  | "cannot_decrypt"
  /** Authentic, but not of a form that this version knows. */
  | "unknown_content"
  /** The blob that held it is gone, or is not what it was named after. */
  | "blob_lost"
  /** This device could not follow a change before it. */
  | "cannot_follow";

/** `by` and all accounts are proven by signatures, except where it says otherwise. */
export type TimelineNotice =
  /** The conversation began here, for this device. */
  | { readonly kind: "opened"; readonly by: string }
  /** Entries between two places of the log were not shown to this device: they expired, or the relay withholds them. */
  | { readonly kind: "missing"; readonly after: number; readonly before: number }
  | { readonly kind: "unreadable"; readonly reason: UnreadableReason; readonly retryable: boolean }
  | {
      readonly kind: "membersChanged";
      readonly added: readonly string[];
      readonly removed: readonly string[];
      readonly by: string;
    }
  /** They asked to be removed, and are. */
  | { readonly kind: "left"; readonly accounts: readonly string[] }
  | { readonly kind: "titleChanged"; readonly title: string; readonly by: string }
  | { readonly kind: "pictureChanged"; readonly by: string }
  | { readonly kind: "roleChanged"; readonly account: string; readonly role: Role; readonly by: string }
  /** A device replaced its keys in the group. */
  | { readonly kind: "keysChanged"; readonly by: string }
  /** Devices of these accounts were added to the group, or removed from it. */
  | { readonly kind: "devicesChanged"; readonly accounts: readonly string[]; readonly by: string }
  /** A device that could not follow any more was put in anew. */
  | { readonly kind: "deviceRestored"; readonly account: string; readonly device: string; readonly by: string }
  /** `by` took this member off the relay's roster: as the relay says, it posted a void change that brought the roster into disorder. */
  | { readonly kind: "suspended"; readonly account: string; readonly by: string }
  /** A change that all members ignore, because it broke a rule; `by` is who the relay says posted it. */
  | { readonly kind: "void"; readonly by: string }
  /** This device cannot follow a change that others may: it asks to be put in anew. */
  | { readonly kind: "cannotFollow" }
  /**
   * Nobody has put this device in anew, or taken its account back, and it does not go on elsewhere by itself: in a group of more than 50
   * accounts an owner or admin says `repair()` for that. It goes on asking.
   */
  | { readonly kind: "unanswered" }
  /**
   * This account is not in the conversation any more, as the relay says: it left or was taken out where this device could not follow.
   * Nothing proves it; nobody answered here.
   */
  | { readonly kind: "noLongerMember" }
  /**
   * This device is in again, after `cannotFollow` or on another log (`successor`). What was sent between the place `after` and this one may
   * be missing.
   */
  | { readonly kind: "rejoined"; readonly by: string; readonly after: number; readonly successor: boolean }
  /** The sender and this device were shown different logs: the relay hides or reorders. */
  | { readonly kind: "logMismatch"; readonly with: string }
  /** `proven`: the key before signed the way to the new one, as a recovered account does. */
  | { readonly kind: "identityChanged"; readonly account: string; readonly proven?: boolean };

export type TimelineItem =
  TimelineMessage | (TimelineNotice & { readonly position: number; readonly seq: number; readonly storedAt: number });
