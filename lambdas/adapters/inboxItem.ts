/**
 * A place in a device's inbox: a reservation first, a Welcome later.
 *
 *     device, id   the key                  by  account that may use the reservation
 *     s   claimed, or welcome               c, q, t   conversation, seq of the commit, turn after it
 *     k   hash of the key package           p, h, z   payload (payloadAttributes.ts)
 *     ttl                                   a   when it landed, ms
 */
import type { InboxItem } from "@tacit/protocol";
import type { LandingWrite, Reservation, WelcomeWrite } from "../ports.ts";
import { binary, number, readBinary, readNumber, readText, text, type Item } from "./attributes.ts";
import { payloadAttributes, readPayload } from "./payloadAttributes.ts";

export const inboxKey = (device: string, id: string): Item => ({ device: text(device), id: text(id) });

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

export function readWelcome(item: Item): InboxItem {
  return {
    kind: "welcome",
    id: readText(item, "id"),
    conversation: readText(item, "c"),
    seq: readNumber(item, "q"),
    turn: readNumber(item, "t"),
    keyPackage: readBinary(item, "k"),
    payload: readPayload(item),
    at: readNumber(item, "a"),
  };
}
