/**
 * The CDK entry, and the one place that reads the environment and the CDK context. The context `tacit` (cdk.json) describes
 * the deployment; `-c deployment=NAME` lays `tacit:NAME` over it, and `-c issuer=…`, `-c audience=…` and `-c region=…` have the last word.
 */
import { App, Validations } from "aws-cdk-lib";
import { TacitChecks } from "../lib/checks.ts";
import { ConfigError, parseConfig } from "../lib/config.ts";
import { tacitStacks } from "../lib/stacks/tacitStacks.ts";

const app = new App();
try {
  tacitStacks(app, parseConfig(deployment(app)));
  Validations.of(app).addPlugins(new TacitChecks(app));
  app.synth();
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}

function deployment(scope: App): unknown {
  const context = (key: string): unknown => scope.node.tryGetContext(key);
  const region = process.env["CDK_DEFAULT_REGION"] ?? process.env["AWS_REGION"];
  const layers: unknown[] = [defined({ region }), context("tacit")];
  const name = context("deployment");
  if (name !== undefined) {
    const key = `tacit:${JSON.stringify(name).replaceAll('"', "")}`;
    const named = context(key);
    if (named === undefined) throw new ConfigError([`no context "${key}", which -c deployment asks for`]);
    layers.push(named);
  }
  layers.push(
    defined({
      region: context("region"),
      oidc: defined({ issuer: context("issuer"), audience: context("audience") }),
    }),
  );
  return layers.reduce(merge);
}

function defined(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** Lays one plain object over another, objects within them too; anything else replaces what was there. */
function merge(under: unknown, over: unknown): unknown {
  if (!isObject(under) || !isObject(over)) return over === undefined ? under : over;
  const merged: Record<string, unknown> = { ...under };
  for (const [key, value] of Object.entries(over)) merged[key] = merge(under[key], value);
  return merged;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
