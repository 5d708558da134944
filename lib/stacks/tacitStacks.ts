/** All stacks of one deployment. */
import { Validations } from "aws-cdk-lib";
import type { Construct } from "constructs";
import type { DeploymentConfig } from "../config.ts";
import { DataStack } from "./dataStack.ts";
import { RelayStack } from "./relayStack.ts";

export type TacitStacks = { readonly data: DataStack; readonly relay: RelayStack };

/** Names that nobody can own (RFC 2606): a deployment that trusts such an issuer lets nobody in. */
const exampleIssuer = /^https:\/\/([^/]+\.)?(example\.(com|net|org)|[^/]+\.(example|invalid|test))(\/|$)/;

export function tacitStacks(scope: Construct, config: DeploymentConfig): TacitStacks {
  const env = { region: config.region, ...(config.account === undefined ? {} : { account: config.account }) };
  const data = new DataStack(scope, `${config.name}Data`, {
    config,
    env,
    description: "Tacit: tables and blobs of end-to-end encrypted messaging",
  });
  const relay = new RelayStack(scope, `${config.name}Relay`, {
    config,
    data,
    env,
    description: "Tacit: relay of end-to-end encrypted messaging",
  });
  if (exampleIssuer.test(config.oidc.issuer)) {
    Validations.of(relay).addWarning(
      "Tacit-ExampleIssuer",
      `The issuer ${config.oidc.issuer} is an example: name your identity provider in the context "tacit" of cdk.json before you deploy.`,
    );
  }
  return { data, relay };
}
