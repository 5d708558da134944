/**
 * The events that API Gateway gives to functions behind WebSocket routes.
 *
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html
 */
import { randomBytes, randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { WebSocketApiModel } from "../cloudformation/deployment.ts";

export interface ConnectionFacts {
  readonly connectionId: string;
  readonly connectedAt: number;
  readonly sourceIp: string;
  readonly userAgent: string | undefined;
  /** What the authorizer said about the connection; comes with every event. */
  readonly authorizer: Readonly<Record<string, string | number>> | null;
}

export interface EventContext {
  readonly api: WebSocketApiModel;
  readonly domainName: string;
  readonly now: number;
}

export function connectionId(): string {
  return randomBytes(11).toString("base64");
}

/** `$connect`, and with another `type` the authorizer's request. */
export function connectEvent(context: EventContext, facts: ConnectionFacts, request: IncomingMessage) {
  return {
    ...requestParts(request),
    ...stageVariables(context.api),
    requestContext: requestContext(context, facts, {
      routeKey: "$connect",
      eventType: "CONNECT",
      messageDirection: "IN",
    }),
    isBase64Encoded: false,
  };
}

export function authorizerEvent(
  context: EventContext,
  facts: ConnectionFacts,
  request: IncomingMessage,
  methodArn: string,
) {
  const { isBase64Encoded: _, ...event } = connectEvent(context, facts, request);
  return { type: "REQUEST", methodArn, ...event };
}

export function messageEvent(context: EventContext, facts: ConnectionFacts, routeKey: string, body: string) {
  return {
    ...stageVariables(context.api),
    requestContext: {
      ...requestContext(context, facts, { routeKey, eventType: "MESSAGE", messageDirection: "IN" }),
      messageId: randomBytes(11).toString("base64"),
    },
    body,
    isBase64Encoded: false,
  };
}

export function disconnectEvent(context: EventContext, facts: ConnectionFacts, code: number, reason: string) {
  return {
    headers: { Host: context.domainName, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": "" },
    multiValueHeaders: { Host: [context.domainName], "x-api-key": [""], "X-Forwarded-For": [""], "x-restapi": [""] },
    ...stageVariables(context.api),
    requestContext: {
      ...requestContext(context, facts, { routeKey: "$disconnect", eventType: "DISCONNECT", messageDirection: "IN" }),
      disconnectStatusCode: code,
      disconnectReason: reason,
    },
    isBase64Encoded: false,
  };
}

function requestContext(
  { api, domainName, now }: EventContext,
  facts: ConnectionFacts,
  kind: { readonly routeKey: string; readonly eventType: string; readonly messageDirection: string },
) {
  return {
    ...kind,
    extendedRequestId: randomBytes(11).toString("base64"),
    requestTime: requestTime(now),
    stage: api.stage,
    connectedAt: facts.connectedAt,
    requestTimeEpoch: now,
    identity: { ...(facts.userAgent !== undefined && { userAgent: facts.userAgent }), sourceIp: facts.sourceIp },
    requestId: randomUUID(),
    domainName,
    connectionId: facts.connectionId,
    apiId: api.id,
    ...(facts.authorizer && { authorizer: facts.authorizer }),
  };
}

function stageVariables(api: WebSocketApiModel) {
  return Object.keys(api.stageVariables).length === 0 ? {} : { stageVariables: api.stageVariables };
}

function requestParts(request: IncomingMessage) {
  const multiValueHeaders: Record<string, string[]> = {};
  for (let index = 0; index + 1 < request.rawHeaders.length; index += 2) {
    const name = request.rawHeaders[index] as string;
    (multiValueHeaders[name] ??= []).push(request.rawHeaders[index + 1] as string);
  }
  const multiValueQuery: Record<string, string[]> = {};
  for (const [name, value] of new URL(request.url ?? "/", "http://local").searchParams) {
    (multiValueQuery[name] ??= []).push(value);
  }
  const lastOf = (values: Readonly<Record<string, readonly string[]>>) =>
    Object.fromEntries(Object.entries(values).map(([name, list]) => [name, list.at(-1) ?? ""]));
  return {
    headers: lastOf(multiValueHeaders),
    multiValueHeaders,
    ...(Object.keys(multiValueQuery).length > 0 && {
      queryStringParameters: lastOf(multiValueQuery),
      multiValueQueryStringParameters: multiValueQuery,
    }),
  };
}

/** `23/Nov/2026:20:31:17 +0000` */
function requestTime(now: number): string {
  const [, day, month, year, time] = /^\w+, (\d+) (\w+) (\d+) ([\d:]+)/.exec(new Date(now).toUTCString()) ?? [];
  return `${day}/${month}/${year}:${time} +0000`;
}
