/** Sockets behind API Gateway's @connections. */
import {
  ApiGatewayManagementApiClient,
  DeleteConnectionCommand,
  GoneException,
  PostToConnectionCommand,
} from "@aws-sdk/client-apigatewaymanagementapi";
import type { Reports, Sockets } from "../ports.ts";

/** Somebody else's message waits for this: a post that takes longer counts as failed. */
const patience = 2_000;

export function apiGatewaySockets(endpoint: string, reports: Reports): Sockets {
  const client = new ApiGatewayManagementApiClient({
    endpoint,
    maxAttempts: 2,
    requestHandler: { connectionTimeout: 1_000, requestTimeout: patience, throwOnRequestTimeout: true },
  });
  return {
    async post(connection, frame) {
      try {
        const command = new PostToConnectionCommand({
          ConnectionId: connection,
          Data: new TextEncoder().encode(frame),
        });
        await client.send(command, { abortSignal: AbortSignal.timeout(patience) });
        return "sent";
      } catch (error) {
        if (error instanceof GoneException) return "gone";
        // A doorbell has no promise; what was missed is read.
        reports.unexpected(error, { operation: "post" });
        return "failed";
      }
    },
    async close(connection) {
      try {
        await client.send(new DeleteConnectionCommand({ ConnectionId: connection }));
      } catch (error) {
        if (!(error instanceof GoneException)) reports.unexpected(error, { operation: "close" });
      }
    },
  };
}
