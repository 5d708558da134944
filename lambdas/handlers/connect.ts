/** Names the subprotocol of a new socket. Registering waits for `hello`: posting before the 101 would answer 410. */
import { subprotocol } from "@tacit/protocol";
import type { APIGatewayProxyResultV2 } from "aws-lambda";

export function handler(): Promise<APIGatewayProxyResultV2> {
  return Promise.resolve({ statusCode: 200, headers: { "Sec-WebSocket-Protocol": subprotocol } });
}
