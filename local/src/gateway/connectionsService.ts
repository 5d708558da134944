/**
 * `@connections`: how functions reach sockets.
 *
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
 */
import type { Deployment, WebSocketApiModel } from "../cloudformation/deployment.ts";
import type { AccessControl } from "../iam/accessControl.ts";
import { ServiceError, type Service } from "../service.ts";
import { limits } from "./limits.ts";
import type { WebSocketGateway } from "./webSocketGateway.ts";

const OPERATIONS: Readonly<Record<string, string>> = {
  POST: "PostToConnection",
  GET: "GetConnection",
  DELETE: "DeleteConnection",
};

export interface ConnectionsServiceOptions {
  readonly api: WebSocketApiModel;
  readonly deployment: Deployment;
  readonly gateway: WebSocketGateway;
  readonly access: AccessControl;
}

interface Input {
  readonly connectionId: string;
  readonly data: string;
}

export function createConnectionsService({ api, deployment, gateway, access }: ConnectionsServiceOptions): Service {
  const prefix = `/${api.stage}/@connections/`;
  return {
    read({ method, path, body }) {
      const operation = OPERATIONS[method];
      const decoded = decodeURIComponent(path);
      if (operation === undefined || !decoded.startsWith(prefix)) {
        throw new ServiceError(403, "ForbiddenException", "Forbidden");
      }
      return { operation, input: { connectionId: decoded.slice(prefix.length), data: body.toString("utf8") } };
    },
    perform({ method, caller, body }, _operation, input, effects) {
      const { connectionId, data } = input as Input;
      const denial = access.check(caller, {
        action: "execute-api:ManageConnections",
        resource: `arn:aws:execute-api:${deployment.region}:${deployment.account}:${api.id}/${api.stage}/${method}/@connections/${connectionId}`,
      });
      if (denial !== null) throw new ServiceError(403, "AccessDeniedException", denial);
      if (method === "POST" && body.length > limits.messageBytes) {
        throw new ServiceError(413, "PayloadTooLargeException", "Message too long");
      }
      const connection = gateway.connection(connectionId);
      if (!connection) throw new ServiceError(410, "GoneException", "Gone");
      if (method === "GET") {
        const { connectedAt, sourceIp, userAgent } = connection.facts;
        return respond(200, {
          connectedAt: new Date(connectedAt).toISOString(),
          identity: { sourceIp, userAgent: userAgent ?? "" },
          lastActiveAt: new Date(connection.lastActiveAt).toISOString(),
        });
      }
      if (method === "DELETE") connection.close(1000, "Connection closed normally");
      else if (!effects.has("drop")) connection.send(data);
      return respond(method === "DELETE" ? 204 : 200, null);
    },
    answerError: ({ statusCode, type, message }) => ({
      status: statusCode,
      // The SDK knows errors by this header alone.
      headers: { "content-type": "application/json", "x-amzn-errortype": type },
      body: JSON.stringify({ message }),
    }),
    throttled: new ServiceError(429, "TooManyRequestsException", "Too Many Requests"),
  };
}

function respond(status: number, body: unknown) {
  return Promise.resolve({
    status,
    headers: { "content-type": "application/json" },
    ...(body !== null && { body: JSON.stringify(body) }),
  });
}
