/** Forgets a socket that closed. Best effort: a registration that stays is found out by the next doorbell. */
import type { APIGatewayProxyResultV2, APIGatewayProxyWebsocketEventV2, Context } from "aws-lambda";
import { dynamoClient } from "../adapters/awsClients.ts";
import { dynamoConnections } from "../adapters/dynamoConnections.ts";
import { variable } from "../adapters/environment.ts";
import { logReports } from "../adapters/logReports.ts";
import { callerOf } from "./socketEvent.ts";
import { systemClock } from "../adapters/systemClock.ts";
import { forget } from "../core/forget.ts";
import { env } from "../env.ts";

const reports = logReports("disconnect");
const connections = dynamoConnections(dynamoClient(), variable(env.connectionsTable), systemClock);

export async function handler(
  event: APIGatewayProxyWebsocketEventV2,
  context: Context,
): Promise<APIGatewayProxyResultV2> {
  try {
    await forget(connections, callerOf(event, context.awsRequestId));
  } catch (error) {
    // Not thrown: the platform would log its message.
    reports.unexpected(error, { operation: "disconnect", requestId: context.awsRequestId });
  }
  return { statusCode: 200 };
}
