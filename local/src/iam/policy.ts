/**
 * IAM policy documents: parsed once at start, so that whatever the evaluation would not understand stops the start
 * instead of being allowed or denied by accident.
 *
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
 */
import { LocalCloudError } from "../localCloudError.ts";
import { parseConditions, type Condition } from "./condition.ts";
import { matchesWildcard } from "./wildcard.ts";

export interface Statement {
  /** `<stack>/<logical id>#<Sid, or index>`. */
  readonly id: string;
  readonly effect: "Allow" | "Deny";
  readonly actions: Matcher;
  readonly resources: Matcher;
  /** Null in identity policies. */
  readonly principals: readonly Principal[] | null;
  readonly conditions: readonly Condition[];
}

/** A list of wildcard patterns, or its complement (`NotAction`, `NotResource`). */
export interface Matcher {
  readonly patterns: readonly string[];
  readonly negated: boolean;
}

export type Principal =
  | { readonly kind: "anyone" }
  | { readonly kind: "account"; readonly account: string }
  | { readonly kind: "arn"; readonly arn: string }
  | { readonly kind: "service"; readonly service: string };

const STATEMENT_KEYS = new Set([
  "Sid",
  "Effect",
  "Action",
  "NotAction",
  "Resource",
  "NotResource",
  "Principal",
  "Condition",
]);

/** The statements of an evaluated policy document; `source` becomes the first half of their ids. */
export function parsePolicy(document: unknown, source: string): readonly Statement[] {
  const statements = (document as { readonly Statement?: unknown } | null)?.Statement;
  const list = Array.isArray(statements) ? (statements as unknown[]) : [statements];
  return list.map((statement, index) => {
    const sid = (statement as { readonly Sid?: string } | undefined)?.Sid;
    return parseStatement(statement, `${source}#${String(sid ?? index)}`);
  });
}

function parseStatement(statement: unknown, id: string): Statement {
  if (typeof statement !== "object" || statement === null) throw new LocalCloudError(`${id}: not a policy statement`);
  const fields = statement as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(fields).find((key) => !STATEMENT_KEYS.has(key));
  if (unknown !== undefined) throw new LocalCloudError(`${id}: policy element ${unknown} is not understood`);
  const effect = fields["Effect"];
  if (effect !== "Allow" && effect !== "Deny")
    throw new LocalCloudError(`${id}: Effect ${String(effect)} is not understood`);
  const principals = fields["Principal"] === undefined ? null : parsePrincipals(fields["Principal"], id);
  const ofServicesAlone = principals?.every((principal) => principal.kind === "service") ?? false;
  return {
    id,
    effect,
    actions: parseMatcher(fields, "Action", id),
    resources: parseMatcher(fields, "Resource", id),
    principals,
    // Services other than those hosted here never call, so how their statements are narrowed does not matter.
    conditions: ofServicesAlone ? [] : parseConditions(fields["Condition"], id),
  };
}

function parseMatcher(fields: Readonly<Record<string, unknown>>, name: "Action" | "Resource", id: string): Matcher {
  const negated = fields[`Not${name}`] !== undefined;
  const value = negated ? fields[`Not${name}`] : fields[name];
  // Trust policies have no resource: they are about the role itself.
  const patterns =
    value === undefined && name === "Resource" ? ["*"] : (Array.isArray(value) ? value : [value]).map(String);
  if (value === undefined && name === "Action") throw new LocalCloudError(`${id}: a statement without actions`);
  const variable = patterns.find((pattern) => pattern.includes("${"));
  if (variable !== undefined) throw new LocalCloudError(`${id}: policy variable in ${variable} is not understood`);
  return { patterns, negated };
}

function parsePrincipals(value: unknown, id: string): readonly Principal[] {
  if (value === "*") return [{ kind: "anyone" }];
  return Object.entries(value as Readonly<Record<string, unknown>>).flatMap(([type, names]) =>
    (Array.isArray(names) ? names : [names]).map(String).map((name): Principal => {
      if (type === "Service") return { kind: "service", service: name };
      if (type !== "AWS") throw new LocalCloudError(`${id}: principal type ${type} is not understood`);
      if (name === "*") return { kind: "anyone" };
      const account = /^(?:arn:aws:iam::)?(\d{12})(?::root)?$/.exec(name)?.[1];
      return account === undefined ? { kind: "arn", arn: name } : { kind: "account", account };
    }),
  );
}

/** The pattern that decided, or null when the matcher does not cover `value`. */
export function matchedPattern(matcher: Matcher, value: string, ignoreCase = false): string | null {
  const pattern = matcher.patterns.find((candidate) => matchesWildcard(candidate, value, ignoreCase));
  if (matcher.negated) return pattern === undefined ? `not ${matcher.patterns.join(", ")}` : null;
  return pattern ?? null;
}
