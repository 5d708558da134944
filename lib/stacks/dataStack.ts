/** What must outlive every deployment: the tables, the blobs, the key that encrypts both, and the key that signs receipts. */
import { CfnOutput, Stack } from "aws-cdk-lib";
import type { StackProps } from "aws-cdk-lib";
import type { Construct } from "constructs";
import { env } from "../../lambdas/env.ts";
import type { DeploymentConfig } from "../config.ts";
import { BlobBucket } from "../constructs/blobBucket.ts";
import { DataKey } from "../constructs/dataKey.ts";
import { DataTable } from "../constructs/dataTable.ts";
import { ReceiptKey } from "../constructs/receiptKey.ts";

export type DataStackProps = StackProps & { readonly config: DeploymentConfig };

export class DataStack extends Stack {
  readonly key: DataKey;
  readonly log: DataTable;
  readonly conversations: DataTable;
  readonly inbox: DataTable;
  readonly directory: DataTable;
  readonly connections: DataTable;
  readonly blobs: BlobBucket;
  readonly receiptKey: ReceiptKey;

  constructor(scope: Construct, id: string, { config, ...props }: DataStackProps) {
    super(scope, id, { ...props, terminationProtection: config.removal === "retain" });
    const { removal } = config;
    const key = new DataKey(this, "DataKey", { removal });
    this.key = key;

    this.log = new DataTable(this, "Log", {
      key,
      removal,
      partition: "conversation",
      sort: { name: "seq", type: "number" },
      variable: env.logTable,
    });
    this.conversations = new DataTable(this, "Conversations", {
      key,
      removal,
      partition: "conversation",
      variable: env.conversationsTable,
    });
    this.inbox = new DataTable(this, "Inbox", {
      key,
      removal,
      partition: "device",
      sort: { name: "id", type: "string" },
      variable: env.inboxTable,
    });
    this.directory = new DataTable(this, "Directory", {
      key,
      removal,
      partition: "account",
      sort: { name: "record", type: "string" },
      variable: env.directoryTable,
    });
    // One item for each account: the connections of all its devices are read with one lookup.
    this.connections = new DataTable(this, "Connections", {
      key,
      removal,
      partition: "account",
      variable: env.connectionsTable,
    });
    this.blobs = new BlobBucket(this, "Blobs", {
      key,
      removal,
      retentionDays: config.retentionDays,
      webOrigins: config.webOrigins,
    });
    this.receiptKey = new ReceiptKey(this, "ReceiptKey", { removal });
    new CfnOutput(this, "ReceiptKeyId", {
      value: this.receiptKey.keyId,
      description: "The key in KMS that signs receipts of account records",
    });
  }
}
