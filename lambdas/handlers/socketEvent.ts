/** What API Gateway says of a socket, with every event of it. */
import type { APIGatewayProxyWebsocketEventV2 } from "aws-lambda";
import { closeReasons, type Caller, type CloseReason, type Scope } from "../core/caller.ts";

/** The types leave out what an authorizer adds. Its context holds strings alone. */
type Context = APIGatewayProxyWebsocketEventV2["requestContext"] & {
  readonly authorizer?: Readonly<Record<string, unknown>>;
};

const scopes: ReadonlySet<string> = new Set<Scope>(["full", "register", "none"]);

/** @throws Error where the event did not come through the authorizer: a fault of the deployment */
export function callerOf(event: APIGatewayProxyWebsocketEventV2, requestId: string): Caller {
  const { connectionId: connection, connectedAt, authorizer = {} }: Context = event.requestContext;
  const { account, device, scope, expires, reason } = authorizer;
  if (typeof account !== "string" || typeof device !== "string" || typeof scope !== "string" || !scopes.has(scope)) {
    throw new Error("no authorizer context");
  }
  return {
    account,
    device,
    scope: scope as Scope,
    reason: typeof reason === "string" && closeReasons.has(reason) ? (reason as CloseReason) : undefined,
    expires: Number(expires),
    connection,
    connectedAt,
    requestId,
  };
}
