/**
 * A place in a device's inbox: a reservation first, a Welcome later, or a Welcome that waits for its stage.
 *
 *     device, id   the key                  by  account that may use the reservation, or that staged
 *     s   claimed, staged or welcome        c, q, t   conversation, seq of the commit, turn after it
 *     k   hash of the key package           p, h, z   payload (payloadAttributes.ts)
 *     ttl                                   a   when it landed or was staged, ms
 *     e   id of the commit's entry, while it is staged
 *
 * Messages lie in partitions of their own, `message#<account>#<device>`: whoever may send to any device of the own account
 * would else fill the partition of somebody else's.
 *
 *     f, fd   account and device that sent it       p, h, z, a, ttl   as above
 *
 * `sent#<mark>` says under which id (`i`) a message went.
 */
import type { InboxItem } from "@tacit/protocol";
import type { InboxMessage, LandingWrite, Reservation, Stages, StageName, WelcomeWrite } from "../ports.ts";
import { binary, number, readBinary, readNumber, readText, text, type Item } from "./attributes.ts";
import { payloadAttributes, readPayload } from "./payloadAttributes.ts";

export const inboxKey = (device: string, id: string): Item => ({ device: text(device), id: text(id) });

/** The device is the last part, and its length is known. */
export const messagesOf = (account: string, device: string): string => `message#${account}#${device}`;

export const markKey = (mark: string): Item => inboxKey(`sent#${mark}`, "id");

export function reservationItem({ device, id, by, keyPackage, ttl }: Reservation): Item {
  return { ...inboxKey(device, id), s: text("claimed"), by: text(by), k: binary(keyPackage), ttl: number(ttl) };
}

/** What a Welcome adds to its reservation, which loses `by`: who invited stands in the log. */
export function welcomeAttributes({ conversation, entry, next }: LandingWrite, { payload, ttl }: WelcomeWrite): Item {
  return {
    s: text("welcome"),
    c: text(conversation),
    q: number(entry.seq),
    // The turn that the joiner starts in.
    t: number(next.turn),
    a: number(entry.at),
    ttl: number(ttl),
    ...payloadAttributes(payload),
  };
}

/** What staging adds to a reservation. */
export function stagedAttributes(
  { conversation, entry }: StageName,
  { payload, at, ttl }: Pick<Parameters<Stages["lay"]>[1], "payload" | "at" | "ttl">,
): Item {
  return {
    s: text("staged"),
    c: text(conversation),
    e: text(entry),
    a: number(at),
    ttl: number(ttl),
    ...payloadAttributes(payload),
  };
}

export const isStaged = (item: Item): boolean => readText(item, "s") === "staged";

export function readStageName(item: Item): StageName {
  return { conversation: readText(item, "c"), entry: readText(item, "e"), by: readText(item, "by") };
}

/** Where the commit of a Welcome stands. */
export type Standing = Pick<Extract<InboxItem, { kind: "welcome" }>, "seq" | "turn" | "at">;

export const readStanding = (item: Item): Standing => ({
  seq: readNumber(item, "q"),
  turn: readNumber(item, "t"),
  at: readNumber(item, "a"),
});

/** @param standing for a staged Welcome, from its stage */
export function readWelcome(item: Item, standing = readStanding(item)): InboxItem {
  return {
    kind: "welcome",
    id: readText(item, "id"),
    conversation: readText(item, "c"),
    keyPackage: readBinary(item, "k"),
    payload: readPayload(item),
    ...standing,
  };
}

export function messageItem(id: string, { account, device, from, payload, at, ttl }: InboxMessage): Item {
  return {
    ...inboxKey(messagesOf(account, device), id),
    f: text(from.account),
    fd: text(from.device),
    a: number(at),
    ttl: number(ttl),
    ...payloadAttributes(payload),
  };
}

export function readMessage(item: Item): InboxItem {
  return {
    kind: "message",
    id: readText(item, "id"),
    account: readText(item, "f"),
    device: readText(item, "fd"),
    payload: readPayload(item),
    at: readNumber(item, "a"),
  };
}
