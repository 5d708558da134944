/** Tables, buckets and keys of a template as models. */
import { LocalCloudError } from "../localCloudError.ts";
import { parsePolicy, type Statement } from "../iam/policy.ts";
import type { BucketModel, KeyModel, LifecycleRule, TableModel } from "./deployment.ts";
import type { Resource } from "./resource.ts";
import type { Properties } from "./properties.ts";

/** Both shapes of a table: `Table` has its settings at the top, `GlobalTable` has some of them per replica. */
export function planTable(
  { properties, where, logicalId, ref, arn, stack, type }: Resource,
  keys: readonly KeyModel[],
): TableModel {
  properties.ignore("TableName", "BillingMode", "Tags", "TableClass");
  properties.ignore(
    "PointInTimeRecoverySpecification",
    "DeletionProtectionEnabled",
    "ContributorInsightsSpecification",
  );
  const encryption = properties.object("SSESpecification");
  encryption?.ignore("SSEEnabled", "SSEType");
  let key = encryption?.optionalText("KMSMasterKeyId") ?? null;
  if (type === "AWS::DynamoDB::GlobalTable") {
    const replicas = properties.objects("Replicas");
    const [replica] = replicas;
    if (!replica || replicas.length > 1 || replica.text("Region") !== stack.region) {
      throw new LocalCloudError(`${where}.Replicas: one replica, in the stack's region, is hosted`);
    }
    replica.ignore("PointInTimeRecoverySpecification", "DeletionProtectionEnabled", "ContributorInsightsSpecification");
    replica.ignore("TableClass", "Tags");
    key = replica.object("SSESpecification")?.text("KMSMasterKeyId") ?? null;
  }
  const timeToLive = properties.object("TimeToLiveSpecification");
  return {
    where,
    logicalId,
    name: ref,
    arn,
    keySchema: properties.raw("KeySchema") as TableModel["keySchema"],
    attributeDefinitions: properties.raw("AttributeDefinitions") as TableModel["attributeDefinitions"],
    timeToLiveAttribute: timeToLive?.flag("Enabled") ? timeToLive.text("AttributeName") : null,
    kmsKeyArn: keyArn(key, keys, where),
  };
}

export function planBucket(
  { properties, where, logicalId, ref, arn }: Resource,
  keys: readonly KeyModel[],
  policy: readonly Statement[],
): BucketModel {
  properties.ignore(
    "BucketName",
    "Tags",
    "PublicAccessBlockConfiguration",
    "LoggingConfiguration",
    "MetricsConfigurations",
  );
  for (const rule of properties.object("OwnershipControls")?.objects("Rules") ?? []) {
    rule.only("ObjectOwnership", "BucketOwnerEnforced");
  }
  const [encryption] = properties.object("BucketEncryption")?.objects("ServerSideEncryptionConfiguration") ?? [];
  const byDefault = encryption?.object("ServerSideEncryptionByDefault");
  byDefault?.ignore("SSEAlgorithm");
  encryption?.ignore("BlockedEncryptionTypes");
  const cors = properties.object("CorsConfiguration")?.objects("CorsRules") ?? [];
  const lifecycle = properties.object("LifecycleConfiguration")?.objects("Rules") ?? [];
  return {
    where,
    logicalId,
    name: ref,
    arn,
    versioned: properties.object("VersioningConfiguration")?.text("Status") === "Enabled",
    lifecycle: lifecycle.filter((rule) => rule.text("Status") === "Enabled").map(planLifecycle),
    cors: cors.map((rule) => {
      rule.ignore("Id");
      const maxAge = rule.number("MaxAge", -1);
      return {
        origins: rule.texts("AllowedOrigins"),
        methods: rule.texts("AllowedMethods"),
        headers: rule.texts("AllowedHeaders"),
        exposed: rule.texts("ExposedHeaders"),
        maxAge: maxAge < 0 ? null : maxAge,
      };
    }),
    kmsKeyArn: keyArn(byDefault?.optionalText("KMSMasterKeyID") ?? null, keys, where),
    bucketKey: encryption?.flag("BucketKeyEnabled") ?? false,
    policy,
  };
}

function planLifecycle(rule: Properties): LifecycleRule {
  // Incomplete multipart uploads do not exist here: only single PUTs are hosted.
  rule.ignore("Id", "AbortIncompleteMultipartUpload");
  const noncurrent = rule.object("NoncurrentVersionExpiration");
  const days = rule.number("ExpirationInDays", -1);
  const noncurrentDays = noncurrent?.number("NoncurrentDays", -1) ?? -1;
  return {
    prefix: rule.optionalText("Prefix") ?? "",
    expirationDays: days < 0 ? null : days,
    noncurrentDays: noncurrentDays < 0 ? null : noncurrentDays,
    expiredDeleteMarkers: rule.flag("ExpiredObjectDeleteMarker"),
  };
}

const SYMMETRIC_SPEC = "SYMMETRIC_DEFAULT";
/** Specs of keys that are hosted, and what they are for. */
const KEY_USAGES: Readonly<Record<string, string>> = {
  [SYMMETRIC_SPEC]: "ENCRYPT_DECRYPT",
  ECC_NIST_EDWARDS25519: "SIGN_VERIFY",
};

export function planKey({ properties, where, logicalId, ref, arn }: Resource): KeyModel {
  properties.ignore("Description", "RotationPeriodInDays", "PendingWindowInDays", "Tags");
  properties.only("Enabled", true);
  properties.only("MultiRegion", false);
  const spec = properties.optionalText("KeySpec") ?? SYMMETRIC_SPEC;
  const usage = KEY_USAGES[spec];
  if (usage === undefined) throw new LocalCloudError(`${where}.KeySpec: ${spec} is not hosted`);
  // KMS makes no key without its usage where that is not to encrypt.
  if (usage !== (properties.optionalText("KeyUsage") ?? KEY_USAGES[SYMMETRIC_SPEC])) {
    throw new LocalCloudError(`${where}.KeyUsage: a key of ${spec} is for ${usage}`);
  }
  if (properties.flag("EnableKeyRotation") && spec !== SYMMETRIC_SPEC) {
    throw new LocalCloudError(`${where}.EnableKeyRotation: KMS rotates no key of ${spec}`);
  }
  return {
    where,
    logicalId,
    name: ref,
    arn,
    spec,
    policy: parsePolicy(properties.raw("KeyPolicy"), where),
  };
}

/** The key under which something is stored; null where it is under one of the service. */
export function keyArn(reference: string | null, keys: readonly KeyModel[], where: string): string | null {
  if (reference === null) return null;
  const key = keys.find(({ arn, name }) => arn === reference || name === reference);
  if (!key) throw new LocalCloudError(`${where}: no key ${reference} in the assembly`);
  if (key.spec !== SYMMETRIC_SPEC) throw new LocalCloudError(`${where}: the key ${reference} does not encrypt`);
  return key.arn;
}
