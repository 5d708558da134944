/**
 * Turns the stacks of an assembly into a deployment. Every resource is hosted, or is of a type that is known to have
 * nothing to host, or stops the start with its name.
 */
import type { Stack } from "../assembly.ts";
import { LocalCloudError } from "../localCloudError.ts";
import { parsePolicy, type Statement } from "../iam/policy.ts";
import { planWebSocketApi } from "./planWebSocketApi.ts";
import { planEventSource, planQueues } from "./planQueues.ts";
import { planBucket, planKey, planTable } from "./planStorage.ts";
import type { BucketModel, Deployment, FunctionModel, InvokePermission, KeyModel, TableModel } from "./deployment.ts";
import { createEvaluator, type Evaluator } from "./evaluator.ts";
import { readProperties } from "./properties.ts";
import type { Resource } from "./resource.ts";

/** Types that a deployment may hold and that do nothing here. */
const NOTHING_TO_HOST: ReadonlySet<string> = new Set([
  "AWS::CDK::Metadata",
  "AWS::ApiGateway::Account",
  "AWS::ApiGatewayV2::Deployment",
  "AWS::CloudWatch::Alarm",
  "AWS::CloudWatch::CompositeAlarm",
  "AWS::CloudWatch::Dashboard",
  "AWS::KMS::Alias",
  "AWS::Logs::LogGroup",
  "AWS::Logs::MetricFilter",
  "AWS::Logs::ResourcePolicy",
  "AWS::SNS::Topic",
  "AWS::SNS::TopicPolicy",
  "Custom::S3AutoDeleteObjects",
  "Custom::LogRetention",
]);

/** Managed policies that roles may attach, with what they allow. */
const MANAGED_POLICIES: Readonly<Record<string, readonly string[]>> = {
  "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole": [
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
  ],
  // Attached by the account-wide role that lets API Gateway write its access logs; no function has it.
  "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs": ["logs:*"],
};

export interface Plan {
  readonly deployment: Deployment;
  /** Outputs by stack name. */
  readonly outputs: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

export function plan(stacks: readonly Stack[]): Plan {
  const first = stacks[0];
  if (!first) throw new LocalCloudError("the assembly holds no stack");
  const foreign = stacks.find((stack) => stack.region !== first.region || stack.account !== first.account);
  if (foreign) throw new LocalCloudError(`${foreign.name}: one region and account is hosted, not two`);

  const evaluator = createEvaluator(stacks);
  const resources = stacks.flatMap((stack) => readResources(stack, evaluator));
  const ofType = (...types: readonly string[]) => resources.filter((resource) => types.includes(resource.type));

  const bucketPolicies = ofType("AWS::S3::BucketPolicy").map((resource) => ({
    bucket: resource.properties.text("Bucket"),
    statements: parsePolicy(resource.properties.raw("PolicyDocument"), resource.where),
  }));
  const keys: readonly KeyModel[] = ofType("AWS::KMS::Key").map(planKey);
  const tables: readonly TableModel[] = ofType("AWS::DynamoDB::GlobalTable", "AWS::DynamoDB::Table").map((resource) =>
    planTable(resource, keys),
  );
  const buckets: readonly BucketModel[] = ofType("AWS::S3::Bucket").map((resource) =>
    planBucket(
      resource,
      keys,
      bucketPolicies.filter(({ bucket }) => bucket === resource.ref).flatMap(({ statements }) => statements),
    ),
  );
  const queues = planQueues(ofType("AWS::SQS::Queue"), ofType("AWS::SQS::QueuePolicy"), keys);
  const roles = planRoles(ofType("AWS::IAM::Role"), ofType("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"));
  const permissions = ofType("AWS::Lambda::Permission").map(planPermission);
  // Functions behind custom resources run while a stack is deployed, which nothing is here.
  const providers = new Set(resources.map(({ serviceToken }) => serviceToken));
  const hostedFunctions = ofType("AWS::Lambda::Function").filter(({ arn }) => !providers.has(arn));
  const functions = hostedFunctions.map((resource) =>
    planFunction(
      resource,
      roles,
      permissions.filter(({ target }) => target === resource.arn || target === resource.ref),
    ),
  );
  const eventSources = ofType("AWS::Lambda::EventSourceMapping").map((resource) =>
    planEventSource(resource, queues, functions),
  );
  const api = planWebSocketApi(ofType);

  const hosted = new Set(HOSTED);
  for (const resource of resources) {
    if (providers.has(resource.arn)) continue;
    if (hosted.has(resource.type)) resource.properties.finish();
    else if (!NOTHING_TO_HOST.has(resource.type)) {
      throw new LocalCloudError(`${resource.where}: resource type ${resource.type} is not understood`);
    }
  }
  return {
    deployment: {
      region: first.region,
      account: first.account,
      tables,
      buckets,
      keys,
      queues,
      functions,
      eventSources,
      api,
    },
    outputs: Object.fromEntries(stacks.map((stack) => [stack.name, evaluator.outputs(stack)])),
  };
}

const HOSTED: readonly string[] = [
  "AWS::S3::BucketPolicy",
  "AWS::KMS::Key",
  "AWS::DynamoDB::GlobalTable",
  "AWS::DynamoDB::Table",
  "AWS::S3::Bucket",
  "AWS::SQS::Queue",
  "AWS::SQS::QueuePolicy",
  "AWS::IAM::Role",
  "AWS::IAM::Policy",
  "AWS::IAM::ManagedPolicy",
  "AWS::Lambda::Permission",
  "AWS::Lambda::Function",
  "AWS::Lambda::EventSourceMapping",
  "AWS::ApiGatewayV2::Api",
  "AWS::ApiGatewayV2::Stage",
  "AWS::ApiGatewayV2::Route",
  "AWS::ApiGatewayV2::RouteResponse",
  "AWS::ApiGatewayV2::Integration",
  "AWS::ApiGatewayV2::Authorizer",
];

function readResources(stack: Stack, evaluator: Evaluator): readonly Resource[] {
  return Object.entries(stack.template.Resources ?? {})
    .filter(([logicalId]) => evaluator.exists(stack, logicalId))
    .map(([logicalId, { Type: type, Properties: raw }]) => {
      const where = `${stack.name}/${logicalId}`;
      const identifiers = evaluator.identifiers(stack, logicalId);
      const values = NOTHING_TO_HOST.has(type) ? {} : evaluator.evaluate(stack, raw ?? {}, where);
      return {
        type,
        logicalId,
        where,
        stack,
        ref: identifiers?.ref ?? logicalId,
        arn: identifiers?.attributes["Arn"] ?? "",
        serviceToken: type.startsWith("Custom::")
          ? String(evaluator.evaluate(stack, raw?.["ServiceToken"], where))
          : null,
        properties: readProperties(values as Readonly<Record<string, unknown>>, where),
      };
    });
}

interface Role {
  readonly arn: string;
  readonly statements: readonly Statement[];
  readonly trust: readonly Statement[];
}

function planRoles(roles: readonly Resource[], policies: readonly Resource[]): readonly Role[] {
  const attached = policies.map(({ properties, where }) => {
    properties.ignore("PolicyName", "ManagedPolicyName", "Description", "Path");
    for (const kind of ["Users", "Groups"]) {
      if (properties.has(kind)) throw new LocalCloudError(`${where}.${kind}: only roles are hosted`);
    }
    return { roles: properties.texts("Roles"), statements: parsePolicy(properties.raw("PolicyDocument"), where) };
  });
  return roles.map(({ properties, where, ref, arn }) => {
    properties.ignore("RoleName", "Description", "MaxSessionDuration", "Path", "Tags");
    const inline = properties.objects("Policies").flatMap((policy, index) => {
      policy.ignore("PolicyName");
      return parsePolicy(policy.raw("PolicyDocument"), `${where}.Policies[${index}]`);
    });
    const managed = properties.texts("ManagedPolicyArns").flatMap((policyArn) => {
      const actions = MANAGED_POLICIES[policyArn];
      if (actions)
        return parsePolicy({ Statement: { Effect: "Allow", Action: actions, Resource: "*" } }, `${where}.${policyArn}`);
      const own = policies.find((policy) => policy.ref === policyArn);
      if (!own) throw new LocalCloudError(`${where}: managed policy ${policyArn} is not understood`);
      return parsePolicy(own.properties.raw("PolicyDocument"), own.where);
    });
    return {
      arn,
      trust: parsePolicy(properties.raw("AssumeRolePolicyDocument"), `${where}.AssumeRolePolicyDocument`),
      statements: [
        ...inline,
        ...managed,
        ...attached.filter((policy) => policy.roles.includes(ref)).flatMap((policy) => policy.statements),
      ],
    };
  });
}

function planPermission({ properties }: Resource): InvokePermission & { readonly target: string } {
  properties.only("Action", "lambda:InvokeFunction");
  properties.ignore("SourceAccount");
  return {
    target: properties.text("FunctionName"),
    service: properties.text("Principal"),
    sourceArn: properties.optionalText("SourceArn"),
  };
}

function planFunction(
  { properties, where, logicalId, ref, arn, stack }: Resource,
  roles: readonly Role[],
  permissions: readonly InvokePermission[],
): FunctionModel {
  properties.ignore("FunctionName", "Description", "Tags", "Architectures", "EphemeralStorage", "RecursiveLoop");
  const runtime = properties.text("Runtime");
  if (!runtime.startsWith("nodejs")) throw new LocalCloudError(`${where}.Runtime: ${runtime} is not hosted`);
  const code = properties.object("Code");
  code?.ignore("S3Bucket");
  const asset = stack.assets.get(code?.text("S3Key") ?? "");
  if (asset === undefined) throw new LocalCloudError(`${where}.Code: no asset of this assembly has that key`);
  const roleArn = properties.text("Role");
  const role = roles.find((candidate) => candidate.arn === roleArn);
  const trusts = role?.trust.some(
    ({ effect, principals }) =>
      effect === "Allow" && principals?.some((p) => p.kind === "service" && p.service === "lambda.amazonaws.com"),
  );
  if (!role || !trusts) throw new LocalCloudError(`${where}.Role: Lambda cannot assume ${roleArn}`);
  const logging = properties.object("LoggingConfig");
  logging?.ignore("LogFormat", "ApplicationLogLevel", "SystemLogLevel");
  properties.object("TracingConfig")?.only("Mode", "PassThrough");
  const environment = (properties.object("Environment")?.raw("Variables") ?? {}) as Readonly<Record<string, unknown>>;
  return {
    where,
    logicalId,
    name: ref,
    arn,
    asset,
    handler: properties.text("Handler"),
    environment: Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, String(value)])),
    timeoutSeconds: properties.number("Timeout", 3),
    memoryMegabytes: properties.number("MemorySize", 128),
    logGroup: logging?.optionalText("LogGroup") ?? `/aws/lambda/${ref}`,
    roleArn,
    statements: role.statements,
    permissions,
  };
}
