/**
 * The bucket of what is too large for a frame, encrypted by clients before it gets here. Clients reach it by presigned
 * URL alone. Uploads lie below `staging/` for a day; what an accepted entry refers to is copied below `kept/`, and what an account's
 * backup refers to below `backup/`, where it stays until the backup is replaced.
 */
import { Duration, Validations } from "aws-cdk-lib";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import type { Function as LambdaFunction } from "aws-cdk-lib/aws-lambda";
import { BlockPublicAccess, Bucket, BucketEncryption, HttpMethods, ObjectOwnership } from "aws-cdk-lib/aws-s3";
import { Construct } from "constructs";
import { env } from "../../lambdas/env.ts";
import type { Removal } from "../config.ts";
import type { DataKey } from "./dataKey.ts";
import { removalPolicy } from "./removalPolicy.ts";

export type BlobBucketProps = {
  readonly key: DataKey;
  readonly removal: Removal;
  readonly retentionDays: number;
  readonly webOrigins: readonly string[];
};

/** A blob outlives the entry that refers to it: entries are deleted up to a few days after they expire. */
const graceDays = 7;

export class BlobBucket extends Construct {
  readonly #bucket: Bucket;
  readonly #key: DataKey;

  constructor(scope: Construct, id: string, props: BlobBucketProps) {
    super(scope, id);
    this.#key = props.key;
    const destroy = props.removal === "destroy";
    this.#bucket = new Bucket(this, "Bucket", {
      encryption: BucketEncryption.KMS,
      encryptionKey: props.key.key,
      // One data key serves many blobs: without it every blob costs a request to KMS.
      bucketKeyEnabled: true,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: true,
      versioned: true,
      removalPolicy: removalPolicy(props.removal),
      autoDeleteObjects: destroy,
      lifecycleRules: [
        { id: "UploadsThatNothingRefersTo", prefix: "staging/", expiration: Duration.days(1) },
        { id: "BlobsOfExpiredEntries", prefix: "kept/", expiration: Duration.days(props.retentionDays + graceDays) },
        {
          id: "Remains",
          noncurrentVersionExpiration: Duration.days(1),
          expiredObjectDeleteMarker: true,
          abortIncompleteMultipartUploadAfter: Duration.days(1),
        },
      ],
      cors: [
        {
          allowedMethods: [HttpMethods.GET, HttpMethods.PUT],
          allowedOrigins: [...props.webOrigins],
          allowedHeaders: ["content-type", "x-amz-checksum-sha256"],
          exposedHeaders: ["x-amz-checksum-sha256"],
          maxAge: 3600,
        },
      ],
    });
    Validations.of(this.#bucket).acknowledge({
      id: "AwsSolutions-S1",
      reason:
        "Server access logs would record which network address fetches which blob, which Tacit promises not to keep. " +
        "Whoever needs an audit trail turns on CloudTrail data events.",
    });
  }

  /** Lets the function look at uploads, keep them, delete old backups, and sign URLs, and tells it the bucket's name. */
  grantRelay(fn: LambdaFunction): void {
    const below = (prefix: string, sid: string, actions: string[]) =>
      new PolicyStatement({ sid, actions, resources: [this.#bucket.arnForObjects(`${prefix}/*`)] });
    fn.addToRolePolicy(below("staging", "StagedBlobs", ["s3:GetObject", "s3:PutObject"]));
    fn.addToRolePolicy(below("kept", "KeptBlobs", ["s3:GetObject", "s3:PutObject"]));
    // Nothing expires there: what a new backup leaves out is deleted.
    fn.addToRolePolicy(below("backup", "Backups", ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]));
    // Without it S3 answers 403 for a blob that is not there, which could not be told from a missing grant.
    fn.addToRolePolicy(
      new PolicyStatement({ sid: "MissingBlobs", actions: ["s3:ListBucket"], resources: [this.#bucket.bucketArn] }),
    );
    this.#key.grantThroughS3(fn);
    fn.addEnvironment(env.blobBucket, this.#bucket.bucketName);
  }
}
