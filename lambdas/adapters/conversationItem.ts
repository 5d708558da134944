/**
 * A conversation as an item. It is read with every message, so its names are short too.
 *
 *     conversation   the key                        g   generation
 *     turn, ceiling                                 b   predecessor
 *     r   roster                                    ci, cs, ca, cb   id, seq, time and poster of the last commit
 *     d   dropped: account -> [seq, turn],          o   turn that was last ended by a restoration
 *         and a 1 where the account left          l   seq of the last request to leave
 */
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import type { Conversation, Dropped } from "../ports.ts";
import {
  binary,
  list,
  number,
  readBinary,
  readList,
  readMap,
  readNumber,
  readText,
  text,
  UnreadableItem,
  type Item,
} from "./attributes.ts";

/** Everything but the key. */
export function conversationAttributes(conversation: Conversation): Item {
  const { turn, ceiling, roster, dropped, lastLeave, lastCommit, generation, predecessor, restored } = conversation;
  return {
    turn: number(turn),
    ceiling: number(ceiling),
    r: list(roster),
    d: {
      M: Object.fromEntries([...dropped].map(([account, at]) => [account, droppedAttribute(at)])),
    },
    ...(lastLeave === undefined ? {} : { l: number(lastLeave) }),
    ci: binary(lastCommit.id),
    cs: number(lastCommit.seq),
    ca: number(lastCommit.at),
    cb: text(lastCommit.by),
    ...(restored === undefined ? {} : { o: number(restored) }),
    g: number(generation),
    ...(predecessor === undefined ? {} : { b: text(predecessor) }),
  };
}

export function readConversation(item: Item): Conversation {
  return {
    turn: readNumber(item, "turn"),
    ceiling: readNumber(item, "ceiling"),
    roster: readList(item, "r"),
    dropped: new Map(Object.entries(readMap(item, "d")).map(([account, at]) => [account, readDropped(at)])),
    ...(item["l"] && { lastLeave: readNumber(item, "l") }),
    lastCommit: {
      id: readBinary(item, "ci"),
      seq: readNumber(item, "cs"),
      at: readNumber(item, "ca"),
      by: readText(item, "cb"),
    },
    ...(item["o"] && { restored: readNumber(item, "o") }),
    generation: readNumber(item, "g"),
    predecessor: item["b"] && readText(item, "b"),
  };
}

function droppedAttribute({ seq, turn, left }: Dropped): AttributeValue {
  return { L: [number(seq), number(turn), ...(left ? [number(1)] : [])] };
}

function readDropped({ L: [seq, turn, left] = [] }: AttributeValue): Dropped {
  if (seq?.N === undefined || turn?.N === undefined) throw new UnreadableItem("d");
  return { seq: Number(seq.N), turn: Number(turn.N), ...(left && { left: true }) };
}
