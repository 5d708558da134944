/**
 * How a message finds its route, and what a function behind a proxy integration may answer.
 *
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-develop-routes.html
 */
import type { InvocationResult } from "../lambda/functionHost.ts";

export interface ProxyAnswer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

/** What the function returned, or null when it failed or returned something else. */
export function proxyAnswer(result: InvocationResult): ProxyAnswer | null {
  if (result.kind === "error" || typeof result.payload !== "object" || result.payload === null) return null;
  const { statusCode, headers = {}, body } = result.payload as Readonly<Record<string, unknown>>;
  if (!Number.isInteger(Number(statusCode)) || statusCode === undefined) return null;
  return {
    statusCode: Number(statusCode),
    headers: headers as Readonly<Record<string, string>>,
    body: typeof body === "string" ? body : null,
  };
}

/** By `$request.body.action`, the member of a JSON message that names its route. */
export function selectRoute(selectionExpression: string, text: string): string {
  const path = /^\$\{?request\.body\.([\w.]+)\}?$/.exec(selectionExpression)?.[1];
  if (path === undefined) return "$default";
  try {
    const value = path
      .split(".")
      .reduce<unknown>(
        (object, name) => (object as Readonly<Record<string, unknown>> | null)?.[name],
        JSON.parse(text),
      );
    return typeof value === "string" && !value.startsWith("$") ? value : "$default";
  } catch {
    return "$default";
  }
}
