/**
 * The WebSocket API: one authorised route to connect, one to disconnect, and one for every frame, whose answer is the
 * function's return value. Logs say that something happened, never who, from where, or what.
 */
import { Stack, Validations } from "aws-cdk-lib";
import { AccessLogFormat } from "aws-cdk-lib/aws-apigateway";
import type { CfnStage } from "aws-cdk-lib/aws-apigatewayv2";
import { LogGroupLogDestination, WebSocketApi, WebSocketStage } from "aws-cdk-lib/aws-apigatewayv2";
import { WebSocketLambdaAuthorizer } from "aws-cdk-lib/aws-apigatewayv2-authorizers";
import { WebSocketLambdaIntegration } from "aws-cdk-lib/aws-apigatewayv2-integrations";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import type { Function as LambdaFunction } from "aws-cdk-lib/aws-lambda";
import { LogGroup } from "aws-cdk-lib/aws-logs";
import type { RetentionDays } from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";
import { env } from "../../lambdas/env.ts";
import type { Removal } from "../config.ts";
import { removalPolicy } from "./removalPolicy.ts";

export type RelaySocketProps = {
  readonly stage: string;
  readonly requestsPerSecond: number;
  readonly requestBurst: number;
  readonly logRetention: RetentionDays;
  readonly removal: Removal;
  readonly handlers: {
    readonly authorizer: LambdaFunction;
    readonly connect: LambdaFunction;
    readonly disconnect: LambdaFunction;
    readonly relay: LambdaFunction;
  };
};

/**
 * Of the variables of API Gateway, those that hold neither an address nor anything a client sent. Query strings and
 * headers cannot be logged by a stage unless they are named here.
 */
const accessLogFormat = AccessLogFormat.custom(
  JSON.stringify({
    requestId: "$context.requestId",
    time: "$context.requestTimeEpoch",
    event: "$context.eventType",
    route: "$context.routeKey",
    status: "$context.status",
    connectedAt: "$context.connectedAt",
    authorizerStatus: "$context.authorizer.status",
    authorizerLatency: "$context.authorizer.latency",
    integrationStatus: "$context.integrationStatus",
    integrationLatency: "$context.integrationLatency",
    error: "$context.error.responseType",
  }),
);

export class RelaySocket extends Construct {
  /** wss://… that clients connect to. */
  readonly url: string;
  readonly #callbackEndpoint: string;
  readonly #stageArn: string;
  /** What account settings must exist before. */
  readonly stage: WebSocketStage;

  constructor(scope: Construct, id: string, props: RelaySocketProps) {
    super(scope, id);
    const { handlers } = props;
    const api = new WebSocketApi(this, "Api", {
      description: "Relays ciphertext between devices",
      // Frames are told apart by the function, which parses them once into a closed union.
      routeSelectionExpression: "$request.body.op",
      connectRouteOptions: {
        integration: new WebSocketLambdaIntegration("Connect", handlers.connect),
        authorizer: new WebSocketLambdaAuthorizer("Authorizer", handlers.authorizer, {
          // Browsers can set no other header. Without it API Gateway answers 401 and no function runs.
          identitySource: ["route.request.header.Sec-WebSocket-Protocol"],
        }),
      },
      disconnectRouteOptions: { integration: new WebSocketLambdaIntegration("Disconnect", handlers.disconnect) },
      defaultRouteOptions: {
        integration: new WebSocketLambdaIntegration("Relay", handlers.relay),
        returnResponse: true,
      },
    });
    const accessLogs = new LogGroup(this, "AccessLogs", {
      retention: props.logRetention,
      removalPolicy: removalPolicy(props.removal),
    });
    this.stage = new WebSocketStage(this, "Stage", {
      webSocketApi: api,
      stageName: props.stage,
      autoDeploy: true,
      throttle: { rateLimit: props.requestsPerSecond, burstLimit: props.requestBurst },
      accessLogSettings: { destination: new LogGroupLogDestination(accessLogs), format: accessLogFormat },
    });
    const settings = this.stage.node.defaultChild as CfnStage;
    // Execution logs would hold frames and tokens.
    settings.addPropertyOverride("DefaultRouteSettings.LoggingLevel", "OFF");
    settings.addPropertyOverride("DefaultRouteSettings.DataTraceEnabled", false);

    this.url = this.stage.url;
    this.#callbackEndpoint = this.stage.callbackUrl;
    this.#stageArn = Stack.of(this).formatArn({
      service: "execute-api",
      resource: api.apiId,
      resourceName: props.stage,
    });
    Validations.of(api).acknowledge({
      id: "AwsSolutions-APIG4",
      reason: "API Gateway authorises WebSockets on $connect alone; its verdict travels with every later frame.",
    });
  }

  /** Lets the function post to sockets of this stage, and tells it where. */
  grantPost(fn: LambdaFunction): void {
    this.#grantConnections(fn, "PostToConnections", "POST");
  }

  /** Lets the function close sockets of this stage, and tells it where. */
  grantClose(fn: LambdaFunction): void {
    this.#grantConnections(fn, "CloseConnections", "DELETE");
  }

  #grantConnections(fn: LambdaFunction, sid: string, method: "POST" | "DELETE"): void {
    fn.addToRolePolicy(
      new PolicyStatement({
        sid,
        actions: ["execute-api:ManageConnections"],
        resources: [`${this.#stageArn}/${method}/@connections/*`],
      }),
    );
    fn.addEnvironment(env.callbackEndpoint, this.#callbackEndpoint);
  }

  /** Tells the function the address that clients connect to, which their proofs name. */
  grantAddress(fn: LambdaFunction): void {
    fn.addEnvironment(env.socketUrl, this.url);
  }
}
