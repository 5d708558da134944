/** The relay's tables on the embedded DynamoDB, and an SDK client that reaches it without a network. */
import { Readable } from "node:stream";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { openDynamoDb } from "../../local/src/dynamodb/dynamoDb.ts";
import { errorAnswer } from "../../local/src/dynamodb/dynamoDbError.ts";

type Call = (operation: string, input: object) => Promise<Readonly<Record<string, unknown>>>;
/** Stands between the client and the database; may answer by itself, or throw what the database would. */
export type Meddle = (operation: string, input: object, call: Call) => ReturnType<Call>;

const key = (name: string, type: "HASH" | "RANGE", attribute: "S" | "N" = "S") => ({ name, type, attribute });
const tables = {
  Log: [key("conversation", "HASH"), key("seq", "RANGE", "N")],
  Conversations: [key("conversation", "HASH")],
  Inbox: [key("device", "HASH"), key("id", "RANGE")],
  Directory: [key("account", "HASH"), key("record", "RANGE")],
  Connections: [key("account", "HASH")],
} as const;

export async function embeddedDynamo(now: () => number) {
  const database = await openDynamoDb({
    directory: null,
    now,
    onWrite: () => {},
    tables: Object.entries(tables).map(([name, keys]) => ({
      where: name,
      logicalId: name,
      name,
      arn: `arn:aws:dynamodb:eu-west-1:000000000000:table/${name}`,
      keySchema: keys.map(({ name: AttributeName, type: KeyType }) => ({ AttributeName, KeyType })),
      attributeDefinitions: keys.map(({ name: AttributeName, attribute: AttributeType }) => ({
        AttributeName,
        AttributeType,
      })),
      timeToLiveAttribute: "ttl",
      kmsKeyArn: null,
    })),
  });
  const call: Call = async (operation, input) => (await database.call(operation, input)).output;
  let meddle: Meddle = (operation, input, next) => next(operation, input);

  const requestHandler = {
    async handle(request: { headers: Record<string, string>; body?: unknown }) {
      const operation = request.headers["x-amz-target"]!.split(".")[1]!;
      const input = JSON.parse(new TextDecoder().decode(request.body as Uint8Array)) as object;
      const answer = (statusCode: number, body: unknown) => ({
        response: {
          statusCode,
          headers: { "content-type": "application/x-amz-json-1.0" },
          body: Readable.from([Buffer.from(JSON.stringify(body))]),
        },
      });
      try {
        return answer(200, await meddle(operation, input, call));
      } catch (error) {
        const refused = errorAnswer(error);
        if (refused === null) throw error;
        return answer(refused.statusCode, refused.body);
      }
    },
  };
  const client = new DynamoDBClient({
    region: "eu-west-1",
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
    requestHandler: requestHandler as never,
  });
  return {
    client,
    items: (table: string) => database.items(table),
    /** Until called again. */
    meddle: (next: Meddle = (operation, input, on) => on(operation, input)): void => void (meddle = next),
    close: () => database.close(),
  };
}
