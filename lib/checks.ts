/**
 * The AWS Solutions rules of cdk-nag, run over every synthesis. A finding that is right about one construct and accepted is
 * acknowledged there, with its reason. Those below name a resource with generated parts, so they are matched by what is stable.
 */
import { AwsSolutionsChecks } from "cdk-nag";
import type { IApplyRule } from "cdk-nag";

type AcceptedFinding = { readonly rule: string; readonly finding: RegExp; readonly reason: string };

export const acceptedFindings: readonly AcceptedFinding[] = [
  {
    rule: "IAM5",
    finding: /^Resource::[^*]*\/(staging|kept|backup)\/\*$/,
    reason: "The name of a blob is its hash, so a grant can name its prefix alone.",
  },
  {
    rule: "IAM5",
    finding: /^Resource::arn:[^*]*:execute-api:[^*]*\/(POST|DELETE)\/@connections\/\*$/,
    reason: "API Gateway names connections when they open, so a grant can name the stage and the method alone.",
  },
];

export class TacitChecks extends AwsSolutionsChecks {
  protected override applyRule(params: IApplyRule): void {
    const rule = params.ruleSuffixOverride ?? params.rule.name;
    const accepted = acceptedFindings.filter((candidate) => candidate.rule === rule);
    super.applyRule({
      ...params,
      ruleSuffixOverride: rule,
      rule(node) {
        const result = params.rule(node);
        if (!Array.isArray(result)) return result;
        return result.filter((finding) => !accepted.some((candidate) => candidate.finding.test(finding)));
      },
    });
  }
}
