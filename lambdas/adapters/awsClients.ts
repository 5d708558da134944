/** SDK clients as functions need them: they give up early, because somebody is waiting. */
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";

/** Attempts that a client makes, with pauses between them, before it gives up. */
export const maxAttempts = 3;

/** Without the last of them a request that hangs is only warned of. */
export const requestHandler = { connectionTimeout: 1_000, requestTimeout: 2_000, throwOnRequestTimeout: true };

export function dynamoClient(): DynamoDBClient {
  return new DynamoDBClient({ maxAttempts, requestHandler });
}
