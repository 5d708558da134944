/** What a template asks for, evaluated: the plain data from which the local cloud is built. */
import type { Statement } from "../iam/policy.ts";

export interface Deployment {
  readonly region: string;
  readonly account: string;
  readonly tables: readonly TableModel[];
  readonly buckets: readonly BucketModel[];
  readonly keys: readonly KeyModel[];
  readonly queues: readonly QueueModel[];
  readonly functions: readonly FunctionModel[];
  readonly eventSources: readonly EventSourceModel[];
  readonly api: WebSocketApiModel | null;
}

interface Named {
  /** `<stack>/<logical id>`, for messages. */
  readonly where: string;
  readonly logicalId: string;
  readonly name: string;
  readonly arn: string;
}

export interface TableModel extends Named {
  readonly keySchema: readonly { readonly AttributeName: string; readonly KeyType: string }[];
  readonly attributeDefinitions: readonly { readonly AttributeName: string; readonly AttributeType: string }[];
  readonly timeToLiveAttribute: string | null;
  readonly kmsKeyArn: string | null;
}

export interface BucketModel extends Named {
  readonly versioned: boolean;
  readonly lifecycle: readonly LifecycleRule[];
  readonly cors: readonly CorsRule[];
  readonly kmsKeyArn: string | null;
  /** With a bucket key, S3 asks KMS rarely enough not to count. */
  readonly bucketKey: boolean;
  readonly policy: readonly Statement[];
}

export interface LifecycleRule {
  readonly prefix: string;
  readonly expirationDays: number | null;
  readonly noncurrentDays: number | null;
  readonly expiredDeleteMarkers: boolean;
}

export interface CorsRule {
  readonly origins: readonly string[];
  readonly methods: readonly string[];
  readonly headers: readonly string[];
  readonly exposed: readonly string[];
  readonly maxAge: number | null;
}

export interface KeyModel extends Named {
  readonly spec: string;
  readonly policy: readonly Statement[];
}

export interface QueueModel extends Named {
  readonly url: string;
  readonly visibilitySeconds: number;
  /** Of messages that ask for no other delay. */
  readonly delaySeconds: number;
  readonly retentionSeconds: number;
  readonly largestMessageBytes: number;
  readonly redrive: { readonly deadLetterArn: string; readonly maxReceiveCount: number } | null;
  readonly kmsKeyArn: string | null;
  readonly policy: readonly Statement[];
}

/** One `AWS::Lambda::EventSourceMapping` of a queue. */
export interface EventSourceModel {
  readonly where: string;
  readonly logicalId: string;
  readonly queueArn: string;
  readonly functionArn: string;
  readonly batchSize: number;
  readonly maxConcurrency: number;
  /** Whether the function names what of a batch failed. */
  readonly reportsFailures: boolean;
}

export interface FunctionModel extends Named {
  readonly asset: string;
  readonly handler: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly timeoutSeconds: number;
  readonly memoryMegabytes: number;
  readonly logGroup: string;
  readonly roleArn: string;
  readonly statements: readonly Statement[];
  readonly permissions: readonly InvokePermission[];
}

/** One `AWS::Lambda::Permission`: which service may invoke the function, on behalf of what. */
export interface InvokePermission {
  readonly service: string;
  readonly sourceArn: string | null;
}

export interface WebSocketApiModel extends Named {
  readonly id: string;
  readonly stage: string;
  readonly stageVariables: Readonly<Record<string, string>>;
  readonly selectionExpression: string;
  readonly throttle: { readonly burst: number; readonly rate: number } | null;
  readonly routes: ReadonlyMap<string, RouteModel>;
}

export interface RouteModel {
  readonly key: string;
  readonly functionArn: string;
  readonly timeoutMilliseconds: number;
  readonly authorizer: AuthorizerModel | null;
  /** Whether what the function returns is sent to the client. */
  readonly responds: boolean;
}

export interface AuthorizerModel {
  readonly id: string;
  readonly functionArn: string;
  readonly identitySources: readonly string[];
}
