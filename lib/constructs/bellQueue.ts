/**
 * The queue of doorbells that are too many to ring before an answer: slices of them, rung by a function of their own. A bell has no
 * promise and is soon worth nothing, so nothing here lives long. What waits is ciphertext, but says which accounts share a
 * conversation, so it lies under the data key like the tables (docs/decisions/0026-bells-through-a-queue.md).
 */
import { Duration, RemovalPolicy } from "aws-cdk-lib";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import type { Function as LambdaFunction } from "aws-cdk-lib/aws-lambda";
import { EventSourceMapping } from "aws-cdk-lib/aws-lambda";
import { Queue, QueueEncryption } from "aws-cdk-lib/aws-sqs";
import type { QueueProps } from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";
import { env } from "../../lambdas/env.ts";
import type { DataKey } from "./dataKey.ts";

export type BellQueueProps = {
  readonly key: DataKey;
  /** How long the function that rings may take. */
  readonly ringing: Duration;
};

/** Slices that one invocation rings, one after the other. */
const batchSize = 5;
/** Invocations at a time: the rest waits, so that bells never take the concurrency and the calls to sockets that answers need. */
const maxConcurrency = 10;
/** How often a slice is tried. Another try comes when the visibility timeout is over: later than a device would look by itself. */
const tries = 3;

export class BellQueue extends Construct {
  readonly #queue: Queue;
  readonly #key: DataKey;

  constructor(scope: Construct, id: string, props: BellQueueProps) {
    super(scope, id);
    this.#key = props.key;
    const common: QueueProps = {
      encryption: QueueEncryption.KMS,
      encryptionMasterKey: props.key.key,
      enforceSSL: true,
      // Nothing in it is worth keeping, whatever becomes of the data.
      removalPolicy: RemovalPolicy.DESTROY,
    };
    // Six times: Lambda may be throttled in between, and must not get a slice twice for it.
    const visibilityTimeout = Duration.seconds(props.ringing.toSeconds() * 6);
    this.#queue = new Queue(this, "Queue", {
      ...common,
      visibilityTimeout,
      // Long enough for every try, so that what cannot be rung is seen below, and no longer.
      retentionPeriod: Duration.seconds(visibilityTimeout.toSeconds() * (tries + 2)),
      deadLetterQueue: {
        maxReceiveCount: tries,
        // To be noticed, and looked at within a day.
        queue: new Queue(this, "Unrung", { ...common, retentionPeriod: Duration.days(1) }),
      },
    });
  }

  /** Lets the function put slices into the queue, and tells it where that is. */
  grantSend(fn: LambdaFunction): void {
    fn.addToRolePolicy(
      new PolicyStatement({
        sid: "SendBells",
        actions: ["sqs:SendMessage"],
        resources: [this.#queue.queueArn],
      }),
    );
    this.#key.grantSendThroughSqs(fn);
    fn.addEnvironment(env.bellQueueUrl, this.#queue.queueUrl);
  }

  /** Has the function ring what is in the queue. Lambda polls in the name of the function's role. */
  ringWith(fn: LambdaFunction): void {
    fn.addToRolePolicy(
      new PolicyStatement({
        sid: "TakeBells",
        actions: ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
        resources: [this.#queue.queueArn],
      }),
    );
    this.#key.grantReceiveThroughSqs(fn);
    new EventSourceMapping(this, "Mapping", {
      target: fn,
      eventSourceArn: this.#queue.queueArn,
      batchSize,
      maxConcurrency,
      // One slice that fails does not ring the others again.
      reportBatchItemFailures: true,
    });
  }
}
