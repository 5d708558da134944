/**
 * Cross-origin rules of buckets, so that pages can use presigned URLs.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html
 */
import type { CorsRule } from "../cloudformation/deployment.ts";
import { matchesWildcard } from "../iam/wildcard.ts";
import type { ServiceResponse } from "../service.ts";
import type { SignedRequest } from "../sigV4.ts";

/** The answer to a preflight request. */
export function preflight(rules: readonly CorsRule[], request: SignedRequest): ServiceResponse {
  const method = String(request.headers["access-control-request-method"] ?? "");
  const asked = String(request.headers["access-control-request-headers"] ?? "")
    .split(",")
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== "");
  const rule = findRule(rules, request, method);
  const allowed = rule && asked.every((name) => rule.headers.some((pattern) => matchesWildcard(pattern, name, true)));
  if (!rule || !allowed) return { status: 403, body: "CORSResponse: This CORS request is not allowed." };
  return {
    status: 200,
    headers: {
      ...corsHeaders(rules, request, method),
      "access-control-allow-headers": asked.join(", "),
      ...(rule.maxAge !== null && { "access-control-max-age": String(rule.maxAge) }),
    },
  };
}

/** What is added to an answer to a page of another origin. */
export function corsHeaders(
  rules: readonly CorsRule[],
  request: SignedRequest,
  method = request.method,
): Readonly<Record<string, string>> {
  const rule = findRule(rules, request, method);
  if (!rule) return {};
  return {
    "access-control-allow-origin": rule.origins.includes("*") ? "*" : String(request.headers.origin),
    "access-control-allow-methods": rule.methods.join(", "),
    ...(rule.exposed.length > 0 && { "access-control-expose-headers": rule.exposed.join(", ") }),
    vary: "Origin",
  };
}

function findRule(rules: readonly CorsRule[], { headers }: SignedRequest, method: string): CorsRule | undefined {
  const { origin } = headers;
  if (origin === undefined) return undefined;
  return rules.find(
    (rule) => rule.methods.includes(method) && rule.origins.some((pattern) => matchesWildcard(pattern, origin)),
  );
}
