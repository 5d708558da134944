/**
 * An entry as an item of the Log. A write costs one unit up to 1 KB, names included, so they are short: a message of
 * 352 bytes makes an item of about 470.
 *
 *     conversation, seq   the key
 *     k   kind: m message, p proposal, c commit     t   turn
 *     i   entry id                                  v   prev
 *     p, h, z   payload (payloadAttributes.ts)      a   when it landed, ms
 *     x   when it expires, ms                       ttl when the table may delete it, s
 *     w   account, of commits and proposals         ra, rr   added to and removed from the roster, of commits
 *                                                   l   1 in a proposal with which the account left
 */
import type { StoredEntry } from "../ports.ts";
import {
  binary,
  list,
  number,
  readBinary,
  readList,
  readNumber,
  readText,
  text,
  UnreadableItem,
  type Item,
} from "./attributes.ts";
import { payloadAttributes, readPayload } from "./payloadAttributes.ts";

export function logItem(conversation: string, entry: StoredEntry): Item {
  return {
    conversation: text(conversation),
    seq: number(entry.seq),
    k: text(entry.kind.charAt(0)),
    t: number(entry.turn),
    i: binary(entry.id),
    v: number(entry.prev),
    a: number(entry.at),
    x: number(entry.expires),
    ttl: number(entry.ttl),
    ...payloadAttributes(entry.payload),
    ...(entry.kind === "message" ? {} : { w: text(entry.account) }),
    ...(entry.kind === "proposal" && entry.leave ? { l: number(1) } : {}),
    ...(entry.kind === "commit" ? { ra: list(entry.roster.add), rr: list(entry.roster.remove) } : {}),
  };
}

export function readLogItem(item: Item): StoredEntry {
  const common = {
    seq: readNumber(item, "seq"),
    prev: readNumber(item, "v"),
    id: readBinary(item, "i"),
    turn: readNumber(item, "t"),
    at: readNumber(item, "a"),
    expires: readNumber(item, "x"),
    payload: readPayload(item),
    ttl: readNumber(item, "ttl"),
  };
  switch (readText(item, "k")) {
    case "m":
      return { kind: "message", ...common };
    case "p":
      return { kind: "proposal", ...common, account: readText(item, "w"), ...(item["l"] && { leave: true }) };
    case "c": {
      const roster = { add: [...readList(item, "ra")], remove: [...readList(item, "rr")] };
      return { kind: "commit", ...common, account: readText(item, "w"), roster };
    }
    default:
      throw new UnreadableItem("k");
  }
}
