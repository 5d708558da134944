import { Match } from "aws-cdk-lib/assertions";
import type { Template } from "aws-cdk-lib/assertions";
import { parseConfig } from "../../lib/config.ts";
import { tacitStacks } from "../../lib/stacks/tacitStacks.ts";
import { minimal, resources, synthesise, testApp, valuesOf } from "./synthesise.ts";

const tableType = "AWS::DynamoDB::GlobalTable";
const { data } = synthesise();

/** A changed logical id makes CloudFormation replace the resource: for these, that is the loss of all data. */
test("logical ids of what holds data never change", () => {
  const stateful = ["AWS::KMS::Key", tableType, "AWS::S3::Bucket"].flatMap((type) =>
    Object.keys(resources(data, type)),
  );
  expect(stateful).toEqual([
    "DataKey2A0DE9E6",
    "ReceiptKey74646DB7",
    "LogTable81E80B89",
    "ConversationsTable05F75AD7",
    "InboxTableD4FB9610",
    "DirectoryTableD64E6930",
    "ConnectionsTable916FDB22",
    "BlobsBucket1038ED5D",
  ]);
});

test("the five tables have their keys", () => {
  const keys = Object.entries(resources(data, tableType)).map(([id, { Properties }]) => [
    id.replace(/Table[0-9A-F]{8}$/, ""),
    Properties["KeySchema"],
    Properties["AttributeDefinitions"],
  ]);
  const hash = (name: string) => ({ AttributeName: name, KeyType: "HASH" });
  const range = (name: string) => ({ AttributeName: name, KeyType: "RANGE" });
  const attribute = (name: string, type: "S" | "N") => ({ AttributeName: name, AttributeType: type });
  expect(keys).toEqual([
    ["Log", [hash("conversation"), range("seq")], [attribute("conversation", "S"), attribute("seq", "N")]],
    ["Conversations", [hash("conversation")], [attribute("conversation", "S")]],
    ["Inbox", [hash("device"), range("id")], [attribute("device", "S"), attribute("id", "S")]],
    ["Directory", [hash("account"), range("record")], [attribute("account", "S"), attribute("record", "S")]],
    ["Connections", [hash("account")], [attribute("account", "S")]],
  ]);
});

test("every table is billed by request, expires by ttl, restores to any second, and is encrypted under the data key", () => {
  data.allResourcesProperties(tableType, {
    BillingMode: "PAY_PER_REQUEST",
    TimeToLiveSpecification: { AttributeName: "ttl", Enabled: true },
    SSESpecification: { SSEEnabled: true, SSEType: "KMS" },
    Replicas: [
      {
        Region: "eu-central-1",
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
        SSESpecification: { KMSMasterKeyId: { "Fn::GetAtt": ["DataKey2A0DE9E6", "Arn"] } },
      },
    ],
  });
  data.hasResourceProperties("AWS::KMS::Key", { EnableKeyRotation: true, KeySpec: Match.absent() });
});

test("receipts are signed by a key of its own, of pure Ed25519, whose id is an output", () => {
  expect(resources(data, "AWS::KMS::Key")["ReceiptKey74646DB7"]?.Properties).toMatchObject({
    KeySpec: "ECC_NIST_EDWARDS25519",
    KeyUsage: "SIGN_VERIFY",
  });
  data.hasOutput("ReceiptKeyId", { Value: { Ref: "ReceiptKey74646DB7" } });
});

test("no table has an index: nothing leads from an account to its conversations", () => {
  data.allResourcesProperties(tableType, {
    GlobalSecondaryIndexes: Match.absent(),
    LocalSecondaryIndexes: Match.absent(),
  });
});

describe("the blob bucket", () => {
  test("is private, versioned, and encrypted under the data key", () => {
    data.hasResourceProperties("AWS::S3::Bucket", {
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
      OwnershipControls: { Rules: [{ ObjectOwnership: "BucketOwnerEnforced" }] },
      VersioningConfiguration: { Status: "Enabled" },
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [
          {
            BucketKeyEnabled: true,
            ServerSideEncryptionByDefault: {
              SSEAlgorithm: "aws:kms",
              KMSMasterKeyID: { "Fn::GetAtt": ["DataKey2A0DE9E6", "Arn"] },
            },
          },
        ],
      },
    });
  });

  test("refuses whoever comes without TLS, and lets nobody in by its policy", () => {
    const statements = valuesOf(resources(data, "AWS::S3::BucketPolicy"), "Statement").flat();
    expect(statements).toEqual([
      expect.objectContaining({
        Effect: "Deny",
        Principal: { AWS: "*" },
        Action: "s3:*",
        Condition: { Bool: { "aws:SecureTransport": "false" } },
      }),
    ]);
  });

  test("forgets uploads after a day and blobs a week after their entries", () => {
    const { data: short } = synthesise({ ...minimal, retentionDays: 10 });
    short.hasResourceProperties("AWS::S3::Bucket", {
      LifecycleConfiguration: {
        Rules: Match.arrayWith([
          Match.objectLike({ Prefix: "staging/", ExpirationInDays: 1, Status: "Enabled" }),
          Match.objectLike({ Prefix: "kept/", ExpirationInDays: 17, Status: "Enabled" }),
          Match.objectLike({
            Prefix: Match.absent(),
            NoncurrentVersionExpiration: { NoncurrentDays: 1 },
            AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 },
            ExpiredObjectDeleteMarker: true,
            Status: "Enabled",
          }),
        ]),
      },
    });
  });

  test("keeps backups until they are replaced: no rule expires what is current below backup/", () => {
    const rules = valuesOf(resources(data, "AWS::S3::Bucket"), "Rules").flat() as readonly Record<string, unknown>[];
    const expiring = rules.filter((rule) => "ExpirationInDays" in rule);
    expect(expiring.map(({ Prefix }) => Prefix)).toEqual(["staging/", "kept/"]);
  });

  test("answers pages of the configured origins alone", () => {
    const { data: ours } = synthesise({ ...minimal, webOrigins: ["https://chat.acme.com"] });
    ours.hasResourceProperties("AWS::S3::Bucket", {
      CorsConfiguration: {
        CorsRules: [Match.objectLike({ AllowedOrigins: ["https://chat.acme.com"], AllowedMethods: ["GET", "PUT"] })],
      },
    });
  });
});

describe("removal", () => {
  const stateful = new Set(["AWS::KMS::Key", tableType, "AWS::S3::Bucket", "AWS::Logs::LogGroup"]);
  const policies = (template: Template) =>
    Object.values(resources(template))
      .filter((resource) => stateful.has(resource.Type))
      .map((resource) => [resource.Type, resource.DeletionPolicy, resource.UpdateReplacePolicy]);
  const protection = (input: unknown) => tacitStacks(testApp(), parseConfig(input)).data.terminationProtection;
  const trial = { ...minimal, removal: "destroy" };

  test("retain: tables, blobs and keys survive the stack, and the stack survives a slip", () => {
    data.allResourcesProperties(tableType, { Replicas: [Match.objectLike({ DeletionProtectionEnabled: true })] });
    expect(policies(data)).toHaveLength(8);
    for (const [type, ...policy] of policies(data)) expect([type, ...policy]).toEqual([type, "Retain", "Retain"]);
    expect(protection(minimal)).toBe(true);
  });

  test("destroy: nothing is left", () => {
    const { data: bare, relay } = synthesise(trial);
    bare.allResourcesProperties(tableType, { Replicas: [Match.objectLike({ DeletionProtectionEnabled: false })] });
    bare.resourceCountIs("Custom::S3AutoDeleteObjects", 1);
    expect(policies(bare)).toHaveLength(8);
    for (const [type, ...policy] of [...policies(bare), ...policies(relay)]) {
      expect([type, ...policy]).toEqual([type, "Delete", "Delete"]);
    }
    expect(protection(trial)).toBe(false);
  });
});
