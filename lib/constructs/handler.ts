/**
 * One Lambda function: a file of `lambdas/handlers`, bundled by esbuild with everything it imports, with a log group
 * of its own and a role that starts with nothing but writing to it.
 */
import { fileURLToPath } from "node:url";
import type { Duration } from "aws-cdk-lib";
import { PolicyStatement, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { Architecture, LoggingFormat, Runtime, SystemLogLevel } from "aws-cdk-lib/aws-lambda";
import type { Function as LambdaFunction } from "aws-cdk-lib/aws-lambda";
import { NodejsFunction, OutputFormat } from "aws-cdk-lib/aws-lambda-nodejs";
import { LogGroup } from "aws-cdk-lib/aws-logs";
import type { RetentionDays } from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";
import type { Removal } from "../config.ts";
import { removalPolicy } from "./removalPolicy.ts";

export type HandlerProps = {
  /** Name of the file in `lambdas/handlers`, without its ending. */
  readonly entry: string;
  readonly description: string;
  /** Megabytes. CPU grows with it: 1,769 MB are one core. */
  readonly memory: number;
  readonly timeout: Duration;
  readonly logRetention: RetentionDays;
  readonly removal: Removal;
  readonly environment?: Readonly<Record<string, string>>;
};

/**
 * Where the SDK would look for credentials if the environment held none. It imports these only then, and Lambda's environment
 * always holds them: left out, a bundle is a third smaller.
 */
const unusedCredentialSources = [
  "@aws-sdk/credential-provider-http",
  "@aws-sdk/credential-provider-ini",
  "@aws-sdk/credential-provider-process",
  "@aws-sdk/credential-provider-sso",
  "@aws-sdk/credential-provider-web-identity",
  "@smithy/credential-provider-imds",
];

const repository = new URL("../../", import.meta.url);
const path = (relative: string): string => fileURLToPath(new URL(relative, repository));

export class Handler extends Construct {
  readonly fn: LambdaFunction;

  constructor(scope: Construct, id: string, props: HandlerProps) {
    super(scope, id);
    const logGroup = new LogGroup(this, "Logs", {
      retention: props.logRetention,
      removalPolicy: removalPolicy(props.removal),
    });
    const role = new Role(this, "Role", { assumedBy: new ServicePrincipal("lambda.amazonaws.com") });
    this.fn = new NodejsFunction(this, "Function", {
      entry: path(`lambdas/handlers/${props.entry}.ts`),
      handler: "handler",
      description: props.description,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      memorySize: props.memory,
      timeout: props.timeout,
      role,
      logGroup,
      loggingFormat: LoggingFormat.JSON,
      // The platform's start and report lines would cost more than the function itself: metrics tell the same.
      systemLogLevelV2: SystemLogLevel.WARN,
      awsSdkConnectionReuse: false,
      environment: { NODE_OPTIONS: "--enable-source-maps", ...props.environment },
      projectRoot: path("."),
      depsLockFilePath: path("package-lock.json"),
      bundling: {
        format: OutputFormat.ESM,
        // The bundles also run where the tests run.
        target: "node20",
        mainFields: ["module", "main"],
        tsconfig: path("tsconfig.json"),
        minify: true,
        sourceMap: true,
        sourcesContent: false,
        // The SDK goes into the bundle: its version is then the one that was tested, and what is unused is shaken off.
        bundleAwsSDK: true,
        externalModules: unusedCredentialSources,
      },
    });
    this.fn.addToRolePolicy(
      new PolicyStatement({
        sid: "WriteLogs",
        actions: ["logs:CreateLogStream", "logs:PutLogEvents"],
        resources: [logGroup.logGroupArn],
      }),
    );
  }
}
