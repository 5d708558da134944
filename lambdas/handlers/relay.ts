/** Answers every frame of a socket. What it returns goes back through it. */
import type { APIGatewayProxyResultV2, APIGatewayProxyWebsocketEventV2, Context } from "aws-lambda";
import { awsRelay } from "../adapters/awsRelay.ts";
import { callerOf } from "./socketEvent.ts";
import { answerFrame } from "../core/dispatch.ts";
import { placeEntry } from "../core/placeEntry.ts";
import type { Relay } from "../core/relay.ts";

const relay: Relay = { ...awsRelay(), blocked: new Map(), registered: new Set(), place: placeEntry };

export async function handler(
  event: APIGatewayProxyWebsocketEventV2,
  context: Context,
): Promise<APIGatewayProxyResultV2> {
  const frame = await answerFrame(relay, callerOf(event, context.awsRequestId), event.body ?? "");
  return frame === undefined ? { statusCode: 200 } : { statusCode: 200, body: frame };
}
