/** The Inbox table. */
import {
  DeleteItemCommand,
  PutItemCommand,
  QueryCommand,
  UpdateItemCommand,
  type DynamoDBClient,
} from "@aws-sdk/client-dynamodb";
import type { InboxItem } from "@tacit/protocol";
import type { Clock, Inbox, StageName } from "../ports.ts";
import { number, readNumber, readText, text, type Item } from "./attributes.ts";
import { attempt } from "./conditions.ts";
import {
  inboxKey,
  isStaged,
  markKey,
  messageItem,
  messagesOf,
  readMessage,
  readStageName,
  readStanding,
  readWelcome,
  reservationItem,
} from "./inboxItem.ts";
import { headId, isInForce, stagePartition } from "./stageItem.ts";

/** A reservation stays: the device cannot make somebody else's commit fail by acknowledging what has not come. */
const isWelcome = "s = :welcome";
const isWelcomeOrStaged = "s = :welcome OR s = :staged";
/** It is still the same Welcome of the same stage. */
const isSameStaged = "s = :staged AND c = :conversation AND e = :entry AND a = :at";

/** Places that one query looks at, and queries that one page takes: so many reservations cost one call. */
const places = 200;
const queries = 10;

/**
 * Milliseconds after which a stage that has not landed never will: nothing that was noted of it lasts longer than a day. Not
 * earlier, also where it was abandoned: its claims may be on their way into another.
 */
const stageLife = 25 * 60 * 60_000;

/** Items, and the place up to which others were looked for; undefined where there are no more. */
type Found = { readonly items: readonly InboxItem[]; readonly end: string | undefined };

export function dynamoInbox(client: DynamoDBClient, table: string, clock: Clock): Inbox {
  async function headOf(stage: StageName): Promise<Item | undefined> {
    const { Items } = await client.send(
      new QueryCommand({
        TableName: table,
        ConsistentRead: true,
        KeyConditionExpression: "device = :stage AND id = :head",
        ExpressionAttributeValues: { ":stage": text(stagePartition(stage)), ":head": text(headId) },
      }),
    );
    return Items?.[0];
  }

  /** The Welcomes among `items`; those whose stage never landed are deleted in the end. */
  async function visible(items: readonly Item[]): Promise<readonly InboxItem[]> {
    const heads = new Map<string, ReturnType<typeof headOf>>();
    const shown = items.map(async (item) => {
      if (!isStaged(item)) return [readWelcome(item)];
      const stage = readStageName(item);
      const name = stagePartition(stage);
      const reading = heads.get(name) ?? headOf(stage);
      heads.set(name, reading);
      const head = await reading;
      if (isInForce(head)) return [readWelcome(item, readStanding(head))];
      if (clock.now() > readNumber(item, "a") + stageLife) await removeStaged(item);
      return [];
    });
    return (await Promise.all(shown)).flat();
  }

  async function removeStaged(item: Item): Promise<void> {
    await attempt(
      client.send(
        new DeleteItemCommand({
          TableName: table,
          Key: inboxKey(readText(item, "device"), readText(item, "id")),
          ConditionExpression: isSameStaged,
          ExpressionAttributeValues: {
            ":staged": text("staged"),
            ":conversation": item["c"]!,
            ":entry": item["e"]!,
            ":at": item["a"]!,
          },
        }),
      ),
    );
  }

  async function pageOf(
    partition: string,
    after: string | undefined,
    limit: number,
    query: { readonly Limit: number; readonly FilterExpression?: string; readonly values?: Item },
    show: (items: readonly Item[]) => Promise<readonly InboxItem[]>,
  ): Promise<Found> {
    const { values, ...rest } = query;
    const items: InboxItem[] = [];
    let end = after;
    for (let count = 0; count < queries && items.length < limit; count++) {
      const { Items = [], LastEvaluatedKey } = await client.send(
        new QueryCommand({
          TableName: table,
          ConsistentRead: true,
          KeyConditionExpression: "device = :partition" + (end === undefined ? "" : " AND id > :after"),
          ExpressionAttributeValues: {
            ...values,
            ":partition": text(partition),
            ...(end !== undefined && { ":after": text(end) }),
          },
          ...rest,
        }),
      );
      items.push(...(await show(Items)));
      end = LastEvaluatedKey && readText(LastEvaluatedKey, "id");
      if (end === undefined) break;
    }
    return { items, end };
  }

  const welcomesOf = (device: string, after: string | undefined, limit: number): Promise<Found> => {
    const values = { ":welcome": text("welcome"), ":staged": text("staged") };
    return pageOf(device, after, limit, { Limit: places, FilterExpression: isWelcomeOrStaged, values }, visible);
  };
  const messages = (account: string, device: string, after: string | undefined, limit: number): Promise<Found> =>
    pageOf(messagesOf(account, device), after, limit, { Limit: limit }, (items) =>
      Promise.resolve(items.map(readMessage)),
    );

  return {
    async reserve(reservation) {
      await client.send(new PutItemCommand({ TableName: table, Item: reservationItem(reservation) }));
    },
    async send(message) {
      const { Attributes = {} } = await client.send(
        new UpdateItemCommand({
          TableName: table,
          Key: markKey(message.mark),
          UpdateExpression: "SET i = if_not_exists(i, :id), #ttl = :ttl",
          ExpressionAttributeNames: { "#ttl": "ttl" },
          ExpressionAttributeValues: { ":id": text(message.id), ":ttl": number(message.ttl) },
          ReturnValues: "ALL_NEW",
        }),
      );
      await client.send(
        new PutItemCommand({ TableName: table, Item: messageItem(readText(Attributes, "i"), message) }),
      );
    },
    async page(account, device, after, limit) {
      const found = await Promise.all([welcomesOf(device, after, limit), messages(account, device, after, limit)]);
      return merged(found, limit);
    },
    async remove(account, device, id) {
      const removeWelcome = async (): Promise<void> => {
        const outcome = await attempt(
          client.send(
            new DeleteItemCommand({
              TableName: table,
              Key: inboxKey(device, id),
              ConditionExpression: isWelcome,
              ExpressionAttributeValues: { ":welcome": text("welcome") },
              ReturnValuesOnConditionCheckFailure: "ALL_OLD",
            }),
          ),
        );
        if (outcome.done || outcome.found === undefined || !isStaged(outcome.found)) return;
        if (isInForce(await headOf(readStageName(outcome.found)))) await removeStaged(outcome.found);
      };
      await Promise.all([
        removeWelcome(),
        client.send(new DeleteItemCommand({ TableName: table, Key: inboxKey(messagesOf(account, device), id) })),
      ]);
    },
  };
}

/** The first of all, as far as each was looked for. */
function merged(found: readonly Found[], limit: number): Awaited<ReturnType<Inbox["page"]>> {
  const ends = found.flatMap(({ end }) => end ?? []).sort();
  const [end] = ends;
  const items = found
    .flatMap((one) => one.items)
    .filter(({ id }) => end === undefined || id <= end)
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  if (items.length > limit) return { items: items.slice(0, limit), next: items[limit - 1]!.id };
  return { items, next: end };
}
