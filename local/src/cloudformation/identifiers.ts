/**
 * What `Ref` and `Fn::GetAtt` answer for each resource type. Physical names are derived from stack and logical id,
 * so that data kept on disk is found again by the next start.
 */
import { createHash } from "node:crypto";

export interface Place {
  readonly stack: string;
  readonly logicalId: string;
  readonly region: string;
  readonly account: string;
}

export interface Identifiers {
  readonly ref: string;
  readonly attributes: Readonly<Record<string, string>>;
}

type Naming = (place: Place, property: (name: string) => string | undefined) => Identifiers;

/** The identifiers of a resource, or null when the type has none that the local cloud knows. */
export function identifiersOf(
  type: string,
  place: Place,
  property: (name: string) => string | undefined,
): Identifiers | null {
  return naming[type]?.(place, property) ?? null;
}

const naming: Readonly<Record<string, Naming>> = {
  "AWS::DynamoDB::GlobalTable": table,
  "AWS::DynamoDB::Table": table,
  "AWS::S3::Bucket": (place, property) => {
    const ref = property("BucketName") ?? readableName(place).toLowerCase();
    return {
      ref,
      attributes: {
        Arn: `arn:aws:s3:::${ref}`,
        DomainName: `${ref}.s3.amazonaws.com`,
        RegionalDomainName: `${ref}.s3.${place.region}.amazonaws.com`,
      },
    };
  },
  "AWS::KMS::Key": (place) => {
    const hex = digest(place);
    const ref = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");
    return { ref, attributes: { Arn: arn(place, "kms", `key/${ref}`), KeyId: ref } };
  },
  "AWS::KMS::Alias": (_, property) => ({ ref: property("AliasName") ?? "", attributes: {} }),
  "AWS::SQS::Queue": (place, property) => {
    const name = property("QueueName") ?? readableName(place);
    return {
      ref: `https://sqs.${place.region}.amazonaws.com/${place.account}/${name}`,
      attributes: { Arn: arn(place, "sqs", name), QueueName: name },
    };
  },
  "AWS::IAM::Role": (place, property) => {
    const ref = property("RoleName") ?? readableName(place);
    return {
      ref,
      attributes: {
        Arn: `arn:aws:iam::${place.account}:role/${ref}`,
        RoleId: `AROA${digest(place).slice(0, 16).toUpperCase()}`,
      },
    };
  },
  "AWS::IAM::ManagedPolicy": (place) => ({
    ref: `arn:aws:iam::${place.account}:policy/${readableName(place)}`,
    attributes: {},
  }),
  "AWS::Lambda::Function": (place, property) => {
    const ref = property("FunctionName") ?? readableName(place);
    return { ref, attributes: { Arn: arn(place, "lambda", `function:${ref}`) } };
  },
  "AWS::Logs::LogGroup": (place, property) => {
    const ref = property("LogGroupName") ?? readableName(place);
    return { ref, attributes: { Arn: arn(place, "logs", `log-group:${ref}:*`) } };
  },
  "AWS::ApiGatewayV2::Api": (place) => {
    const ref = shortId(place);
    return {
      ref,
      attributes: { ApiId: ref, ApiEndpoint: `wss://${ref}.execute-api.${place.region}.amazonaws.com` },
    };
  },
  "AWS::ApiGatewayV2::Stage": (place, property) => ({ ref: property("StageName") ?? shortId(place), attributes: {} }),
  "AWS::ApiGatewayV2::Authorizer": (place) => {
    const ref = shortId(place);
    return { ref, attributes: { AuthorizerId: ref } };
  },
  "AWS::ApiGatewayV2::Integration": (place) => ({ ref: shortId(place), attributes: {} }),
  "AWS::ApiGatewayV2::Route": (place) => ({ ref: shortId(place), attributes: {} }),
  "AWS::CloudWatch::Alarm": (place) => {
    const ref = readableName(place);
    return { ref, attributes: { Arn: arn(place, "cloudwatch", `alarm:${ref}`) } };
  },
  "AWS::CloudWatch::Dashboard": (place) => ({ ref: readableName(place), attributes: {} }),
  "AWS::SNS::Topic": (place) => {
    const ref = arn(place, "sns", readableName(place));
    return { ref, attributes: { TopicArn: ref, TopicName: readableName(place) } };
  },
};

function table(place: Place, property: (name: string) => string | undefined): Identifiers {
  const ref = property("TableName") ?? readableName(place);
  return { ref, attributes: { Arn: arn(place, "dynamodb", `table/${ref}`) } };
}

function arn(place: Place, service: string, resource: string): string {
  return `arn:aws:${service}:${place.region}:${place.account}:${resource}`;
}

function readableName(place: Place): string {
  return `${place.stack}-${place.logicalId.slice(0, 36)}-${digest(place).slice(0, 8)}`.slice(-63).replace(/^-+/, "");
}

function shortId(place: Place): string {
  return digest(place).slice(0, 10);
}

function digest(place: Place): string {
  return createHash("sha256").update(`${place.stack}/${place.logicalId}`).digest("hex");
}
