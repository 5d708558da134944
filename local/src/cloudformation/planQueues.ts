/** Queues of a template, and the functions that are invoked with what is in them. */
import { LocalCloudError } from "../localCloudError.ts";
import { parsePolicy } from "../iam/policy.ts";
import type { EventSourceModel, FunctionModel, KeyModel, QueueModel } from "./deployment.ts";
import { keyArn } from "./planStorage.ts";
import type { Resource } from "./resource.ts";

/** Lambda begins with this many pollers; without a limit it adds more, which nothing here needs. */
const POLLERS = 5;

export function planQueues(
  queues: readonly Resource[],
  policies: readonly Resource[],
  keys: readonly KeyModel[],
): readonly QueueModel[] {
  const attached = policies.map(({ properties, where }) => ({
    urls: properties.texts("Queues"),
    statements: parsePolicy(properties.raw("PolicyDocument"), where),
  }));
  const models = queues.map((resource) =>
    planQueue(
      resource,
      keys,
      attached.filter(({ urls }) => urls.includes(resource.ref)).flatMap(({ statements }) => statements),
    ),
  );
  for (const { where, redrive } of models) {
    if (redrive !== null && !models.some(({ arn }) => arn === redrive.deadLetterArn)) {
      throw new LocalCloudError(`${where}.RedrivePolicy: no queue ${redrive.deadLetterArn} in the assembly`);
    }
  }
  return models;
}

function planQueue(
  { properties, where, logicalId, ref, arn }: Resource,
  keys: readonly KeyModel[],
  policy: QueueModel["policy"],
): QueueModel {
  properties.ignore("QueueName", "Tags", "SqsManagedSseEnabled", "KmsDataKeyReusePeriodSeconds");
  // Of receivers that poll by themselves, which only Lambda does here.
  properties.ignore("ReceiveMessageWaitTimeSeconds");
  properties.only("FifoQueue", false);
  const redrive = properties.object("RedrivePolicy");
  return {
    where,
    logicalId,
    name: ref.split("/").at(-1) ?? ref,
    arn,
    url: ref,
    visibilitySeconds: properties.number("VisibilityTimeout", 30),
    delaySeconds: properties.number("DelaySeconds", 0),
    retentionSeconds: properties.number("MessageRetentionPeriod", 4 * 86_400),
    largestMessageBytes: properties.number("MaximumMessageSize", 1_048_576),
    redrive: redrive && {
      deadLetterArn: redrive.text("deadLetterTargetArn"),
      maxReceiveCount: redrive.number("maxReceiveCount", 10),
    },
    kmsKeyArn: keyArn(properties.optionalText("KmsMasterKeyId"), keys, where),
    policy,
  };
}

export function planEventSource(
  { properties, where, logicalId }: Resource,
  queues: readonly QueueModel[],
  functions: readonly FunctionModel[],
): EventSourceModel {
  properties.ignore("Tags");
  properties.only("Enabled", true);
  properties.only("MaximumBatchingWindowInSeconds", 0);
  const source = properties.text("EventSourceArn");
  const queue = queues.find(({ arn }) => arn === source);
  if (!queue) throw new LocalCloudError(`${where}.EventSourceArn: ${source} is no queue of the assembly`);
  const name = properties.text("FunctionName");
  const target = functions.find((candidate) => candidate.arn === name || candidate.name === name);
  if (!target) throw new LocalCloudError(`${where}.FunctionName: no function ${name} in the assembly`);
  if (queue.visibilitySeconds < target.timeoutSeconds) {
    // Lambda refuses such a mapping: the queue would give a message to another while the function has it.
    throw new LocalCloudError(
      `${where}: the visibility timeout of ${queue.where}, ${queue.visibilitySeconds} s, is shorter than the timeout of ${target.where}`,
    );
  }
  const responses = properties.texts("FunctionResponseTypes");
  const strange = responses.find((type) => type !== "ReportBatchItemFailures");
  if (strange !== undefined) throw new LocalCloudError(`${where}.FunctionResponseTypes: ${strange} is not understood`);
  const batchSize = properties.number("BatchSize", 10);
  // Larger ones need a batching window.
  if (batchSize < 1 || batchSize > 10) throw new LocalCloudError(`${where}.BatchSize: ${batchSize} is not hosted`);
  return {
    where,
    logicalId,
    queueArn: queue.arn,
    functionArn: target.arn,
    batchSize,
    maxConcurrency: properties.object("ScalingConfig")?.number("MaximumConcurrency", POLLERS) ?? POLLERS,
    reportsFailures: responses.length > 0,
  };
}
