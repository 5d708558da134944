/** What ringing doorbells from the queue stands on in AWS. */
import { env } from "../env.ts";
import { apiGatewaySockets } from "./apiGatewaySockets.ts";
import { dynamoClient } from "./awsClients.ts";
import { dynamoConnections } from "./dynamoConnections.ts";
import { dynamoLog } from "./dynamoLog.ts";
import { variable } from "./environment.ts";
import { logReports } from "./logReports.ts";
import { systemClock } from "./systemClock.ts";

export function awsBells() {
  const client = dynamoClient();
  const reports = logReports("ringBells");
  return {
    log: dynamoLog(client, variable(env.logTable)),
    connections: dynamoConnections(client, variable(env.connectionsTable), systemClock),
    sockets: apiGatewaySockets(variable(env.callbackEndpoint), reports),
    clock: systemClock,
    reports,
  };
}
