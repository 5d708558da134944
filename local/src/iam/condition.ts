/**
 * Condition blocks of IAM statements: the operators and context keys that the local cloud can answer for. Anything
 * else stops the start.
 *
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
 */
import { LocalCloudError } from "../localCloudError.ts";
import { matchesWildcard } from "./wildcard.ts";

/** What is known about a request, by lower-case key. */
export type RequestContext = ReadonlyMap<string, string>;

export interface Condition {
  readonly key: string;
  readonly values: readonly string[];
  readonly test: (actual: string, expected: string) => boolean;
  readonly negated: boolean;
  /** A missing key satisfies the condition. */
  readonly ifExists: boolean;
  readonly isNullTest: boolean;
}

/** Context keys that requests carry here. `aws:SecureTransport` is answered with true: loopback stands in for TLS. */
const CONTEXT_KEYS = new Set(
  [
    "aws:SecureTransport",
    "aws:PrincipalArn",
    "aws:PrincipalAccount",
    "aws:ResourceAccount",
    "kms:CallerAccount",
    "kms:ViaService",
    "kms:SigningAlgorithm",
    "s3:TlsVersion",
  ].map((key) => key.toLowerCase()),
);

type Test = (actual: string, expected: string) => boolean;
const equal: Test = (actual, expected) => actual === expected;
const equalIgnoringCase: Test = (actual, expected) => actual.toLowerCase() === expected.toLowerCase();
const like: Test = (actual, expected) => matchesWildcard(expected, actual);

const OPERATORS: Readonly<Record<string, { readonly test: Test; readonly negated: boolean }>> = {
  StringEquals: { test: equal, negated: false },
  StringNotEquals: { test: equal, negated: true },
  StringEqualsIgnoreCase: { test: equalIgnoringCase, negated: false },
  StringNotEqualsIgnoreCase: { test: equalIgnoringCase, negated: true },
  StringLike: { test: like, negated: false },
  StringNotLike: { test: like, negated: true },
  ArnEquals: { test: like, negated: false },
  ArnLike: { test: like, negated: false },
  ArnNotEquals: { test: like, negated: true },
  ArnNotLike: { test: like, negated: true },
  Bool: { test: equalIgnoringCase, negated: false },
  NumericEquals: { test: (a, e) => Number(a) === Number(e), negated: false },
  NumericNotEquals: { test: (a, e) => Number(a) === Number(e), negated: true },
  NumericLessThan: { test: (a, e) => Number(a) < Number(e), negated: false },
  NumericLessThanEquals: { test: (a, e) => Number(a) <= Number(e), negated: false },
  NumericGreaterThan: { test: (a, e) => Number(a) > Number(e), negated: false },
  NumericGreaterThanEquals: { test: (a, e) => Number(a) >= Number(e), negated: false },
};

export function parseConditions(block: unknown, statement: string): readonly Condition[] {
  if (block === undefined) return [];
  return Object.entries(block as Readonly<Record<string, Readonly<Record<string, unknown>>>>).flatMap(
    ([operator, keys]) =>
      Object.entries(keys).map(([key, value]) => {
        const [, name = "", ifExists] = /^(\w+?)(IfExists)?$/.exec(operator) ?? [];
        const known = name === "Null" ? { test: equal, negated: false } : OPERATORS[name];
        if (!known) throw new LocalCloudError(`${statement}: condition operator ${operator} is not understood`);
        if (!CONTEXT_KEYS.has(key.toLowerCase())) {
          throw new LocalCloudError(`${statement}: condition key ${key} is not understood`);
        }
        return {
          ...known,
          key: key.toLowerCase(),
          values: (Array.isArray(value) ? value : [value]).map(String),
          ifExists: ifExists !== undefined,
          isNullTest: name === "Null",
        };
      }),
  );
}

export function holds(condition: Condition, context: RequestContext): boolean {
  const actual = context.get(condition.key);
  if (condition.isNullTest) return condition.values.some((value) => (value === "true") === (actual === undefined));
  if (actual === undefined) return condition.ifExists || condition.negated;
  return condition.values.some((expected) => condition.test(actual, expected)) !== condition.negated;
}
