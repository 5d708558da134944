/** The customer-managed key of everything that is stored. Functions never call KMS: services use the key in their name. */
import { Duration, Stack } from "aws-cdk-lib";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import { Key } from "aws-cdk-lib/aws-kms";
import type { IFunction } from "aws-cdk-lib/aws-lambda";
import { Construct } from "constructs";
import type { Removal } from "../config.ts";
import { removalPolicy } from "./removalPolicy.ts";

export type DataKeyProps = { readonly removal: Removal };

/** DynamoDB unwraps its table key in the caller's name; it makes data keys in its own, by a grant on the table. */
const tableActions = ["kms:Decrypt"];
/** S3 makes a data key for each write, or one for a time with a bucket key, and unwraps it for each read. */
const bucketActions = ["kms:Decrypt", "kms:GenerateDataKey"];
/** SQS makes a data key for what is sent, and unwraps it to see that it can be read. It uses one for some minutes. */
const sendActions = ["kms:Decrypt", "kms:GenerateDataKey"];
const receiveActions = ["kms:Decrypt"];

export class DataKey extends Construct {
  readonly key: Key;
  readonly #granted = new Set<string>();

  constructor(scope: Construct, id: string, props: DataKeyProps) {
    super(scope, id);
    this.key = new Key(this, "Key", {
      description: "Encrypts the tables, blobs and doorbells of Tacit",
      enableKeyRotation: true,
      removalPolicy: removalPolicy(props.removal),
      pendingWindow: Duration.days(props.removal === "retain" ? 30 : 7),
    });
  }

  /** Lets the function use tables under this key. However many tables it is called for, one statement is added. */
  grantThroughDynamoDb(fn: IFunction): void {
    this.#grantThrough(fn, "dynamodb", "TablesKey", tableActions);
  }

  /** Lets the function use buckets under this key. */
  grantThroughS3(fn: IFunction): void {
    this.#grantThrough(fn, "s3", "BlobsKey", bucketActions);
  }

  /** Lets the function send to queues under this key. */
  grantSendThroughSqs(fn: IFunction): void {
    this.#grantThrough(fn, "sqs", "BellsKey", sendActions);
  }

  /** Lets the function receive from queues under this key. */
  grantReceiveThroughSqs(fn: IFunction): void {
    this.#grantThrough(fn, "sqs", "BellsKey", receiveActions);
  }

  #grantThrough(fn: IFunction, service: string, sid: string, actions: string[]): void {
    const once = `${fn.node.path}:${sid}`;
    if (this.#granted.has(once)) return;
    this.#granted.add(once);
    const { region, urlSuffix } = Stack.of(this);
    fn.addToRolePolicy(
      new PolicyStatement({
        sid,
        actions,
        resources: [this.key.keyArn],
        conditions: { StringEquals: { "kms:ViaService": `${service}.${region}.${urlSuffix}` } },
      }),
    );
  }
}
