/** What admitting stands on in AWS. */
import { env } from "../env.ts";
import { dynamoClient } from "./awsClients.ts";
import { dynamoDirectory } from "./dynamoDirectory.ts";
import { dynamoProofs } from "./dynamoProofs.ts";
import { variable } from "./environment.ts";
import { nodeRandom, nodeVerify } from "./nodeCrypto.ts";
import { oidcTokens } from "./oidcTokens.ts";
import { systemClock } from "./systemClock.ts";

export function awsGate() {
  const client = dynamoClient();
  const table = variable(env.directoryTable);
  const issuer = variable(env.oidcIssuer);
  return {
    tokens: oidcTokens(issuer),
    proofs: dynamoProofs(client, table, nodeRandom),
    directory: dynamoDirectory(client, table),
    verify: nodeVerify,
    clock: systemClock,
    issuer,
    audience: variable(env.oidcAudience),
    accountClaim: variable(env.oidcAccountClaim),
    socketUrl: variable(env.socketUrl),
  };
}
