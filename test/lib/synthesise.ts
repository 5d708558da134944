/** Templates of a deployment, without bundling and without the network. */
import { App } from "aws-cdk-lib";
import { Template } from "aws-cdk-lib/assertions";
import { parseConfig } from "../../lib/config.ts";
import { tacitStacks } from "../../lib/stacks/tacitStacks.ts";
import cdkJson from "../../cdk.json" with { type: "json" };

// The default rules run once, in `cdk synth` of `npm run verify`: here they would take longer than all the rest.
process.env["CDK_VALIDATION"] = "false";

export const minimal = {
  region: "eu-central-1",
  oidc: { issuer: "https://login.acme.com", audience: "tacit" },
} as const;

/** An app with the feature flags of cdk.json and nothing else of it. */
export function testApp(): App {
  const { tacit: _, ...flags } = cdkJson.context;
  return new App({ context: { ...flags, "aws:cdk:bundling-stacks": [] } });
}

export function synthesise(input: unknown = minimal): { readonly data: Template; readonly relay: Template } {
  const stacks = tacitStacks(testApp(), parseConfig(input));
  return { data: Template.fromStack(stacks.data), relay: Template.fromStack(stacks.relay) };
}

/** The part of a resource that these tests read. */
export type Resource = {
  readonly Type: string;
  readonly DeletionPolicy?: string;
  readonly UpdateReplacePolicy?: string;
  readonly DependsOn?: readonly string[];
  readonly Properties: Readonly<Record<string, unknown>>;
};

export function resources(template: Template, type?: string): Record<string, Resource> {
  const all = Object.entries((template.toJSON() as { Resources: Record<string, Resource> }).Resources);
  return Object.fromEntries(all.filter(([, resource]) => type === undefined || resource.Type === type));
}

/** Every value found under `key`, at any depth. */
export function valuesOf(node: unknown, key: string): unknown[] {
  if (typeof node !== "object" || node === null) return [];
  return Object.entries(node).flatMap(([name, value]) => [...(name === key ? [value] : []), ...valuesOf(value, key)]);
}
