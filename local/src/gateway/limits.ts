/** Quotas of API Gateway's WebSocket APIs. https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html */
export const limits = {
  frameBytes: 32 * 1024,
  messageBytes: 128 * 1024,
  idleMilliseconds: 10 * 60_000,
  lifetimeMilliseconds: 2 * 3_600_000,
  authorizerContextBytes: 8 * 1024,
} as const;
