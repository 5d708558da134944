import { Annotations, Match } from "aws-cdk-lib/assertions";
import type { App } from "aws-cdk-lib";
import { PolicyStatement, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { acceptedFindings, TacitChecks } from "../../lib/checks.ts";
import { parseConfig } from "../../lib/config.ts";
import { tacitStacks } from "../../lib/stacks/tacitStacks.ts";
import { minimal, testApp } from "./synthesise.ts";

function violations(app: App): string[] {
  const checks = new TacitChecks(app);
  app.synth();
  return checks.validateScope(app).violations.map((violation) => violation.ruleName);
}

test.each([
  ["retain", { ...minimal }],
  ["destroy", { ...minimal, removal: "destroy" }],
  [
    "another name, stage, region and a known account",
    { ...minimal, name: "Chat", stage: "x", region: "cn-north-1", account: "123456789012" },
  ],
])("the AWS Solutions rules find nothing: %s", (_, input) => {
  const app = testApp();
  tacitStacks(app, parseConfig(input));
  expect(violations(app)).toEqual([]);
});

test("they do find a wildcard that was not accepted", () => {
  const app = testApp();
  const { relay } = tacitStacks(app, parseConfig(minimal));
  const role = new Role(relay, "Planted", { assumedBy: new ServicePrincipal("lambda.amazonaws.com") });
  role.addToPolicy(new PolicyStatement({ actions: ["s3:GetObject"], resources: ["arn:aws:s3:::blobs/*"] }));
  role.addToPolicy(new PolicyStatement({ actions: ["s3:GetObject"], resources: ["arn:aws:s3:::*/staging/*"] }));
  role.addToPolicy(
    new PolicyStatement({
      actions: ["execute-api:*"],
      resources: ["arn:aws:execute-api:*:*:*/v1/POST/@connections/*"],
    }),
  );
  expect(violations(app).sort()).toEqual([
    "AwsSolutions-IAM5[Action::execute-api:*]",
    "AwsSolutions-IAM5[Resource::arn:aws:execute-api:*:*:*/v1/POST/@connections/*]",
    "AwsSolutions-IAM5[Resource::arn:aws:s3:::*/staging/*]",
    "AwsSolutions-IAM5[Resource::arn:aws:s3:::blobs/*]",
  ]);
});

test("every accepted finding has its reason", () => {
  for (const { reason } of acceptedFindings) expect(reason.length).toBeGreaterThan(20);
});

test.each([
  ["https://id.example.com", true],
  ["https://example.org/realm", true],
  ["https://login.acme.test", true],
  ["https://login.acme.com", false],
  ["https://example.com.acme.io", false],
])("an example issuer is pointed out: %s", (issuer, warned) => {
  // The CDK prints its warnings while it synthesises.
  const print = jest.spyOn(console, "error").mockImplementation(() => {});
  const { relay } = tacitStacks(testApp(), parseConfig({ ...minimal, oidc: { issuer, audience: "tacit" } }));
  const warnings = Annotations.fromStack(relay).findWarning(
    "*",
    Match.stringLikeRegexp("is an example: name your identity provider"),
  );
  print.mockRestore();
  expect(warnings).toHaveLength(warned ? 1 : 0);
});
