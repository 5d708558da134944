/**
 * Decides whether a role may do what it asks, by its identity policies and the policy of the resource, and keeps
 * account of which grants were used.
 *
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
 */
import { LocalCloudError } from "../localCloudError.ts";
import { holds, type RequestContext } from "./condition.ts";
import { matchedPattern, type Principal, type Statement } from "./policy.ts";

export interface Caller {
  /** Logical id of the function whose role it is. */
  readonly functionId: string;
  readonly roleArn: string;
  readonly account: string;
  readonly sessionArn: string;
  readonly statements: readonly Statement[];
}

/** One action of one Allow statement in one function's role: the unit in which grants are counted and withheld. */
export interface Grant {
  readonly function: string;
  readonly statement: string;
  readonly action: string;
}

export interface Denial {
  readonly function: string;
  readonly action: string;
  readonly resource: string;
}

export interface AccessRequest {
  readonly action: string;
  readonly resource: string;
  readonly context?: Readonly<Record<string, string>>;
  /** The resource's own policy, where it has one. */
  readonly resourcePolicy?: readonly Statement[];
  /** Keys alone: the key's policy must allow the principal or delegate to its account. */
  readonly resourcePolicyDecides?: boolean;
}

export interface AccessControl {
  /** Null when allowed, else AWS's sentence, which names action and resource. */
  check(caller: Caller, request: AccessRequest): string | null;
  granted(): readonly Grant[];
  used(): readonly Grant[];
  denied(): readonly Denial[];
}

/** `withoutGrants` are grants, as `granted()` lists them, that this run does without. */
export function createAccessControl(callers: readonly Caller[], withoutGrants: readonly Grant[]): AccessControl {
  const granted = callers.flatMap((caller) =>
    caller.statements.flatMap((statement) =>
      statement.effect === "Deny"
        ? []
        : grantable(statement).map((action) => ({ function: caller.functionId, statement: statement.id, action })),
    ),
  );
  const withheld = new Set(withoutGrants.map(grantKey));
  const present = new Set(granted.map(grantKey));
  const stranger = withoutGrants.find((grant) => !present.has(grantKey(grant)));
  if (stranger) throw new LocalCloudError(`withoutGrants: there is no grant ${grantKey(stranger)}`);
  const used = new Map<string, Grant>();
  const denied: Denial[] = [];

  return {
    check(caller, request) {
      const context = requestContext(caller, request.context ?? {});
      const verdict = decide(caller, request, context);
      if (verdict === "allowed") return null;
      denied.push({ function: caller.functionId, action: request.action, resource: request.resource });
      const because =
        verdict === "denied"
          ? "with an explicit deny"
          : `because no ${verdict}-based policy allows the ${request.action} action`;
      return `User: ${caller.sessionArn} is not authorized to perform: ${request.action} on resource: ${request.resource} ${because}`;
    },
    granted: () => granted,
    used: () => [...used.values()],
    denied: () => denied,
  };

  function decide(
    caller: Caller,
    request: AccessRequest,
    context: RequestContext,
  ): "allowed" | "denied" | "identity" | "resource" {
    const onResource = (request.resourcePolicy ?? []).filter(
      (statement) =>
        covers(statement, request, context) && statement.principals?.some((principal) => isCaller(principal, caller)),
    );
    const ofIdentity = caller.statements.filter((statement) => covers(statement, request, context));
    if ([...onResource, ...ofIdentity].some((statement) => statement.effect === "Deny")) return "denied";

    const resourceAllows = onResource.filter((statement) => statement.effect === "Allow");
    // Naming the account only delegates to its identity policies; naming the role grants.
    const named = resourceAllows.some((s) => s.principals?.some((p) => p.kind !== "account" && isCaller(p, caller)));
    if (named) return "allowed";
    if (request.resourcePolicyDecides && resourceAllows.length === 0) return "resource";

    for (const statement of ofIdentity) {
      // Of several statements that allow, only the first counts as used, so a redundant one shows as unused.
      const action = allowedBy(caller, statement, request.action);
      if (action === null) continue;
      const grant = { function: caller.functionId, statement: statement.id, action };
      used.set(grantKey(grant), grant);
      return "allowed";
    }
    return "identity";
  }

  function allowedBy(caller: Caller, statement: Statement, action: string): string | null {
    const kept = (pattern: string) =>
      !withheld.has(grantKey({ function: caller.functionId, statement: statement.id, action: pattern }));
    if (statement.actions.negated) return grantable(statement).find(kept) ?? null;
    return matchedPattern({ negated: false, patterns: statement.actions.patterns.filter(kept) }, action, true);
  }
}

/** The actions that a statement lists; a `NotAction` is one grant of everything else. */
function grantable(statement: Statement): readonly string[] {
  const { patterns, negated } = statement.actions;
  return negated ? [`not ${patterns.join(", ")}`] : patterns;
}

function covers(statement: Statement, request: AccessRequest, context: RequestContext): boolean {
  return (
    matchedPattern(statement.actions, request.action, true) !== null &&
    matchedPattern(statement.resources, request.resource) !== null &&
    statement.conditions.every((condition) => holds(condition, context))
  );
}

function isCaller(principal: Principal, caller: Caller): boolean {
  switch (principal.kind) {
    case "anyone":
      return true;
    case "account":
      return principal.account === caller.account;
    case "arn":
      return principal.arn === caller.roleArn || principal.arn === caller.sessionArn;
    case "service":
      return false;
  }
}

function requestContext(caller: Caller, extra: NonNullable<AccessRequest["context"]>): RequestContext {
  const context = new Map<string, string>([
    ["aws:securetransport", "true"],
    ["s3:tlsversion", "1.3"],
    ["aws:principalarn", caller.roleArn],
    ["aws:principalaccount", caller.account],
    ["aws:resourceaccount", caller.account],
    ["kms:calleraccount", caller.account],
  ]);
  for (const [key, value] of Object.entries(extra)) context.set(key.toLowerCase(), value);
  return context;
}

function grantKey(grant: Grant): string {
  return `${grant.function} ${grant.statement} ${grant.action}`;
}
