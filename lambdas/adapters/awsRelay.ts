/** What the relay stands on in AWS. Made once for each instance of the function. */
import { env } from "../env.ts";
import { apiGatewaySockets } from "./apiGatewaySockets.ts";
import { dynamoClient } from "./awsClients.ts";
import { dynamoBackups } from "./dynamoBackups.ts";
import { dynamoConnections } from "./dynamoConnections.ts";
import { dynamoConversations } from "./dynamoConversations.ts";
import { dynamoCounters } from "./dynamoCounters.ts";
import { dynamoDirectory } from "./dynamoDirectory.ts";
import { dynamoInbox } from "./dynamoInbox.ts";
import { dynamoKeyPackages } from "./dynamoKeyPackages.ts";
import { dynamoLanding } from "./dynamoLanding.ts";
import { dynamoLog } from "./dynamoLog.ts";
import { dynamoStages } from "./dynamoStages.ts";
import { numberVariable, s3Endpoint, sqsEndpoint, variable } from "./environment.ts";
import { kmsReceipts } from "./kmsReceipts.ts";
import { logReports } from "./logReports.ts";
import { nodeRandom, nodeVerify } from "./nodeCrypto.ts";
import { s3Blobs } from "./s3Blobs.ts";
import { sqsBellQueue } from "./sqsBellQueue.ts";
import { systemClock } from "./systemClock.ts";

const day = 24 * 60 * 60_000;

export function awsRelay() {
  const client = dynamoClient();
  const log = variable(env.logTable);
  const conversations = variable(env.conversationsTable);
  const inbox = variable(env.inboxTable);
  const directory = variable(env.directoryTable);
  const region = variable("AWS_REGION");
  const queueUrl = variable(env.bellQueueUrl);
  const reports = logReports("relay");
  return {
    log: dynamoLog(client, log),
    conversations: dynamoConversations(client, conversations),
    landing: dynamoLanding(client, { log, conversations, inbox }),
    inbox: dynamoInbox(client, inbox, systemClock),
    stages: dynamoStages(client, inbox),
    directory: dynamoDirectory(client, directory),
    receipts: kmsReceipts(variable(env.receiptKeyId)),
    backups: dynamoBackups(client, directory),
    keyPackages: dynamoKeyPackages(client, directory, nodeRandom, systemClock),
    counters: dynamoCounters(client, directory),
    connections: dynamoConnections(client, variable(env.connectionsTable), systemClock),
    sockets: apiGatewaySockets(variable(env.callbackEndpoint), reports),
    bells: sqsBellQueue({
      queueUrl,
      region,
      endpoint: sqsEndpoint(queueUrl),
      clock: systemClock,
      random: nodeRandom,
    }),
    blobs: s3Blobs({ bucket: variable(env.blobBucket), region, endpoint: s3Endpoint(region), clock: systemClock }),
    clock: systemClock,
    random: nodeRandom,
    verify: nodeVerify,
    reports,
    settings: {
      retention: numberVariable(env.retentionDays) * day,
      claimsPerHour: numberVariable(env.claimsPerHour),
      messagesPerMinute: numberVariable(env.messagesPerMinute),
    },
  };
}
