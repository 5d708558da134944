import { readAssembly, type Stack, type Template, type TemplateResource } from "../../local/src/assembly.ts";
import { createEvaluator } from "../../local/src/cloudformation/evaluator.ts";
import { plan } from "../../local/src/cloudformation/plan.ts";
import { sampleAssembly } from "./sampleCloud.ts";

const stack = (name: string, template: Template): Stack => ({
  name,
  region: "eu-central-1",
  account: "123456789012",
  assets: new Map(),
  template,
});

describe("intrinsic functions", () => {
  const other = stack("Other", {
    Resources: { Table: { Type: "AWS::DynamoDB::Table" } },
    Outputs: { Name: { Value: { Ref: "Table" }, Export: { Name: { "Fn::Sub": "${AWS::StackName}:Name" } } } },
  });
  const own = stack("Own", {
    Parameters: { Size: { Type: "Number", Default: 3 }, Empty: { Type: "String" } },
    Mappings: { Map: { "eu-central-1": { zone: "one" } } },
    Conditions: {
      InEurope: { "Fn::Equals": [{ Ref: "AWS::Region" }, "eu-central-1"] },
      Elsewhere: { "Fn::Not": [{ Condition: "InEurope" }] },
      Both: { "Fn::And": [{ Condition: "InEurope" }, { Condition: "Elsewhere" }] },
      Either: { "Fn::Or": [{ Condition: "InEurope" }, { Condition: "Elsewhere" }] },
    },
    Resources: {
      Bucket: {
        Type: "AWS::S3::Bucket",
        Properties: { BucketName: { "Fn::Join": ["-", ["my", { Ref: "AWS::Region" }]] } },
      },
      Strange: { Type: "AWS::Strange::Thing" },
      Absent: { Type: "AWS::S3::Bucket", Condition: "Elsewhere" },
    },
  });
  const evaluator = createEvaluator([own, other]);
  const evaluate = (expression: unknown) => evaluator.evaluate(own, expression, "here");

  test.each<[string, unknown, unknown]>([
    [
      "pseudo parameters",
      { "Fn::Sub": "${AWS::Partition}:${AWS::Region}:${AWS::AccountId}:${AWS::URLSuffix}" },
      "aws:eu-central-1:123456789012:amazonaws.com",
    ],
    ["parameters by their default", { Ref: "Size" }, 3],
    ["Ref, with a name from the template", { Ref: "Bucket" }, "my-eu-central-1"],
    ["GetAtt", { "Fn::GetAtt": ["Bucket", "Arn"] }, "arn:aws:s3:::my-eu-central-1"],
    ["GetAtt as a string", { "Fn::GetAtt": "Bucket.Arn" }, "arn:aws:s3:::my-eu-central-1"],
    [
      "Sub with variables, attributes and literals",
      { "Fn::Sub": ["${a}/${Bucket.Arn}/${!b}", { a: { Ref: "Size" } }] },
      "3/arn:aws:s3:::my-eu-central-1/${b}",
    ],
    ["Select of Split", { "Fn::Select": [1, { "Fn::Split": ["/", "a/b/c"] }] }, "b"],
    ["If", { "Fn::If": ["InEurope", "yes", "no"] }, "yes"],
    ["And", { "Fn::If": ["Both", "yes", "no"] }, "no"],
    ["Or", { "Fn::If": ["Either", "yes", "no"] }, "yes"],
    ["FindInMap", { "Fn::FindInMap": ["Map", { Ref: "AWS::Region" }, "zone"] }, "one"],
    ["NoValue removes a property", { a: 1, b: { Ref: "AWS::NoValue" } }, { a: 1 }],
    ["NoValue removes an element", [1, { "Fn::If": ["Elsewhere", 2, { Ref: "AWS::NoValue" }] }], [1]],
    ["ImportValue", { "Fn::ImportValue": "Other:Name" }, expect.stringMatching(/^Other-Table-/)],
    [
      "GetStackOutput",
      { "Fn::GetStackOutput": { StackName: "Other", OutputName: "Name" } },
      expect.stringMatching(/^Other-Table-/),
    ],
    ["a condition block is no intrinsic", { Condition: { Bool: { x: "y" } } }, { Condition: { Bool: { x: "y" } } }],
  ])("%s", (_, expression, expected) => {
    expect(evaluate(expression)).toEqual(expected);
  });

  test.each<[string, unknown, string]>([
    ["an intrinsic", { "Fn::Cidr": [] }, "here: intrinsic Fn::Cidr"],
    ["a parameter without default", { Ref: "Empty" }, "Empty"],
    ["a resource of a strange type", { Ref: "Strange" }, "Strange (AWS::Strange::Thing)"],
    ["an attribute", { "Fn::GetAtt": ["Bucket", "WebsiteURL"] }, "WebsiteURL of Bucket"],
    ["a resource that is not there", { Ref: "Nobody" }, "Nobody"],
    ["an export that is not there", { "Fn::ImportValue": "Other:Size" }, "Other:Size"],
  ])("%s that is not understood is named", (_, expression, named) => {
    expect(() => evaluate(expression)).toThrow(named);
  });

  test("a resource under a false condition does not exist", () => {
    expect(evaluator.exists(own, "Absent")).toBe(false);
    expect(evaluator.exists(own, "Bucket")).toBe(true);
  });
});

describe("the plan of the sample", () => {
  const stacks = readAssembly(sampleAssembly);
  /** The sample, with one resource changed or added. */
  const changed = (logicalId: string, change: (resource: TemplateResource | undefined) => TemplateResource) =>
    stacks.map((one) => {
      const resources = one.template.Resources ?? {};
      const owns =
        logicalId in resources ||
        (one.name === "Sample" && !stacks.some((s) => logicalId in (s.template.Resources ?? {})));
      return owns
        ? {
            ...one,
            template: { ...one.template, Resources: { ...resources, [logicalId]: change(resources[logicalId]) } },
          }
        : one;
    });
  const withProperties = (logicalId: string, properties: object) =>
    changed(logicalId, (resource) => ({
      Type: "",
      ...resource,
      Properties: { ...resource?.Properties, ...properties },
    }));

  test("reads both shapes of a table", () => {
    const { tables } = plan(stacks).deployment;
    expect(tables).toMatchObject([
      { logicalId: "Entries", timeToLiveAttribute: "ttl", kmsKeyArn: expect.stringContaining(":key/") },
      { logicalId: "Heads", timeToLiveAttribute: null, kmsKeyArn: null },
    ]);
  });

  test("names are the same at every start, so that data is found again", () => {
    expect(plan(stacks).outputs).toEqual(plan(readAssembly(sampleAssembly)).outputs);
  });

  test("functions behind custom resources are not hosted", () => {
    const provider = changed("Provider", () => ({
      ...(stacks[1]?.template.Resources?.["Connect"] as TemplateResource),
    }));
    const both = provider.map((one) =>
      one.name === "Sample"
        ? {
            ...one,
            template: {
              ...one.template,
              Resources: {
                ...one.template.Resources,
                Empty: {
                  Type: "Custom::S3AutoDeleteObjects",
                  Properties: { ServiceToken: { "Fn::GetAtt": ["Provider", "Arn"] } },
                },
              },
            },
          }
        : one,
    );
    expect(plan(provider).deployment.functions.map(({ logicalId }) => logicalId)).toContain("Provider");
    expect(plan(both).deployment.functions.map(({ logicalId }) => logicalId)).not.toContain("Provider");
  });

  test.each<[string, readonly Stack[], string]>([
    [
      "a resource type",
      changed("Stream", () => ({ Type: "AWS::Kinesis::Stream" })),
      "Sample/Stream: resource type AWS::Kinesis::Stream",
    ],
    ["an index", withProperties("Heads", { GlobalSecondaryIndexes: [] }), "SampleData/Heads.GlobalSecondaryIndexes"],
    ["a stream", withProperties("Entries", { StreamSpecification: {} }), "SampleData/Entries.StreamSpecification"],
    [
      "a second replica",
      withProperties("Entries", { Replicas: [{ Region: "eu-central-1" }, { Region: "us-east-1" }] }),
      "Entries.Replicas",
    ],
    [
      "a nested property",
      withProperties("Entries", { TimeToLiveSpecification: { AttributeName: "ttl", Enabled: true, Odd: 1 } }),
      "Entries.TimeToLiveSpecification.Odd",
    ],
    ["a runtime", withProperties("Relay", { Runtime: "python3.13" }), "Sample/Relay.Runtime"],
    ["tracing", withProperties("Relay", { TracingConfig: { Mode: "Active" } }), "Sample/Relay.TracingConfig.Mode"],
    ["layers", withProperties("Relay", { Layers: ["arn:aws:lambda:x"] }), "Sample/Relay.Layers"],
    ["an HTTP API", withProperties("Api", { ProtocolType: "HTTP" }), "Sample/Api.ProtocolType"],
    [
      "another integration",
      withProperties("RelayIntegration", { IntegrationType: "MOCK" }),
      "RelayIntegration.IntegrationType",
    ],
    [
      "a managed policy",
      withProperties("PlainRole", { ManagedPolicyArns: ["arn:aws:iam::aws:policy/AdministratorAccess"] }),
      "AdministratorAccess",
    ],
    ["object lock", withProperties("Blobs", { ObjectLockEnabled: true }), "SampleData/Blobs.ObjectLockEnabled"],
    [
      "another ownership",
      withProperties("Blobs", { OwnershipControls: { Rules: [{ ObjectOwnership: "ObjectWriter" }] } }),
      "ObjectOwnership",
    ],
    ["a FIFO queue", withProperties("Bells", { FifoQueue: true }), "Sample/Bells.FifoQueue"],
    ["who may redrive", withProperties("DeadBells", { RedriveAllowPolicy: {} }), "Sample/DeadBells.RedriveAllowPolicy"],
    [
      "dead letters in another account",
      withProperties("Bells", {
        RedrivePolicy: { deadLetterTargetArn: "arn:aws:sqs:eu-central-1:1:x", maxReceiveCount: 1 },
      }),
      "Sample/Bells.RedrivePolicy",
    ],
    ["an alias of a key", withProperties("Bells", { KmsMasterKeyId: "alias/aws/sqs" }), "no key alias/aws/sqs"],
    [
      "a queue under a key that signs",
      withProperties("Bells", { KmsMasterKeyId: { "Fn::ImportValue": "SampleData:SigningKeyArn" } }),
      "does not encrypt",
    ],
    ["a batching window", withProperties("RingMapping", { MaximumBatchingWindowInSeconds: 5 }), "BatchingWindow"],
    ["a filter", withProperties("RingMapping", { FilterCriteria: {} }), "Sample/RingMapping.FilterCriteria"],
    ["a batch that needs a window", withProperties("RingMapping", { BatchSize: 100 }), "Sample/RingMapping.BatchSize"],
    ["a stream as event source", withProperties("RingMapping", { EventSourceArn: "arn:aws:kinesis:x" }), "kinesis"],
    [
      "a message that becomes visible while the function has it",
      withProperties("Bells", { VisibilityTimeout: 2 }),
      "the visibility timeout of Sample/Bells, 2 s",
    ],
    ["a spec of keys", withProperties("SigningKey", { KeySpec: "RSA_2048" }), "SampleData/SigningKey.KeySpec"],
    ["a key for something else", withProperties("SigningKey", { KeyUsage: "KEY_AGREEMENT" }), "SigningKey.KeyUsage"],
    ["rotation of a key that signs", withProperties("SigningKey", { EnableKeyRotation: true }), "EnableKeyRotation"],
    ["an identity source", withProperties("Authorizer", { IdentitySource: ["stageVariables.x"] }), "IdentitySource"],
  ])("%s that is not hosted stops the start, by name", (_, given, named) => {
    expect(() => plan(given)).toThrow(named);
  });

  test("a role that Lambda cannot assume stops the start", () => {
    const trust = {
      AssumeRolePolicyDocument: {
        Statement: [{ Effect: "Allow", Action: "sts:AssumeRole", Principal: { Service: "ec2.amazonaws.com" } }],
      },
    };
    expect(() => plan(withProperties("RelayRole", trust))).toThrow("Lambda cannot assume");
  });
});
