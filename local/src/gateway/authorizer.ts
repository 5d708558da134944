/**
 * Runs the REQUEST authorizer of `$connect` and reads its answer as API Gateway does.
 *
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html
 */
import type { IncomingMessage } from "node:http";
import type { AuthorizerModel } from "../cloudformation/deployment.ts";
import { matchesWildcard } from "../iam/wildcard.ts";
import type { InvocationResult } from "../lambda/functionHost.ts";
import { limits } from "./limits.ts";

export type Authorization =
  | { readonly kind: "allow"; readonly context: Readonly<Record<string, string | number>> }
  | { readonly kind: "refuse"; readonly status: 401 | 403 | 500 };

/** Whether the request has every identity source; without one the authorizer is not even asked. */
export function hasIdentity(authorizer: AuthorizerModel, request: IncomingMessage): boolean {
  const query = new URL(request.url ?? "/", "http://local").searchParams;
  return authorizer.identitySources.every((source) => {
    const [, , kind, name = ""] = source.split(".");
    return kind === "header" ? Boolean(request.headers[name.toLowerCase()]) : Boolean(query.get(name));
  });
}

export function readAuthorization(result: InvocationResult, methodArn: string): Authorization {
  if (result.kind === "error") return { kind: "refuse", status: result.errorMessage === "Unauthorized" ? 401 : 500 };
  const answer = result.payload as {
    readonly principalId?: unknown;
    readonly policyDocument?: { readonly Statement?: unknown };
    readonly context?: Readonly<Record<string, unknown>>;
  } | null;
  const statements = answer?.policyDocument?.Statement;
  if (typeof answer?.principalId !== "string" || !Array.isArray(statements)) return { kind: "refuse", status: 500 };
  const applying = (statements as readonly PolicyStatement[]).filter(
    (statement) =>
      listOf(statement.Action).some((action) => matchesWildcard(action, "execute-api:Invoke", true)) &&
      listOf(statement.Resource).some((resource) => matchesWildcard(resource, methodArn)),
  );
  const allowed =
    applying.some(({ Effect }) => Effect === "Allow") && !applying.some(({ Effect }) => Effect === "Deny");
  if (!allowed) return { kind: "refuse", status: 403 };
  const entries = Object.entries(answer.context ?? {});
  const nested = entries.some(([, value]) => typeof value === "object");
  if (nested || Buffer.byteLength(JSON.stringify(answer.context ?? {})) > limits.authorizerContextBytes) {
    return { kind: "refuse", status: 500 };
  }
  const context = Object.fromEntries(entries.map(([name, value]) => [name, String(value)]));
  return { kind: "allow", context: { ...context, principalId: answer.principalId, integrationLatency: 1 } };
}

interface PolicyStatement {
  readonly Effect?: string;
  readonly Action?: string | readonly string[];
  readonly Resource?: string | readonly string[];
}

function listOf(value: string | readonly string[] | undefined): readonly string[] {
  return value === undefined ? [] : typeof value === "string" ? [value] : value;
}
