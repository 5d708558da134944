/** What can be replaced at any time: the socket, its functions, the queue between them, and what each of them may do. */
import { CfnOutput, Duration, Stack } from "aws-cdk-lib";
import type { StackProps } from "aws-cdk-lib";
import type { Function as LambdaFunction } from "aws-cdk-lib/aws-lambda";
import type { Construct } from "constructs";
import { env } from "../../lambdas/env.ts";
import type { DeploymentConfig } from "../config.ts";
import { AccessLogRole } from "../constructs/accessLogRole.ts";
import { BellQueue } from "../constructs/bellQueue.ts";
import { Handler } from "../constructs/handler.ts";
import type { HandlerProps } from "../constructs/handler.ts";
import { RelaySocket } from "../constructs/relaySocket.ts";
import type { DataStack } from "./dataStack.ts";

/** Two hundred posts, fifty at a time, take less than a second; where all of them hang until they are given up, eight. */
const ringing = Duration.seconds(30);

export type RelayStackProps = StackProps & { readonly config: DeploymentConfig; readonly data: DataStack };

export class RelayStack extends Stack {
  constructor(scope: Construct, id: string, { config, data, ...props }: RelayStackProps) {
    super(scope, id, props);
    const { removal, limits, oidc } = config;
    const handler = (
      name: string,
      own: Pick<HandlerProps, "entry" | "description" | "memory" | "timeout" | "environment">,
    ) => new Handler(this, name, { ...own, removal, logRetention: config.logRetentionDays }).fn;

    const authorizer = handler("Authorizer", {
      entry: "authorizer",
      description: "Decides who may connect, and as what",
      // Signatures are checked here: less memory is less CPU, and the wait is felt at every connect.
      memory: 512,
      // It may have to fetch the issuer's keys.
      timeout: Duration.seconds(10),
      environment: {
        [env.oidcIssuer]: oidc.issuer,
        [env.oidcAudience]: oidc.audience,
        [env.oidcAccountClaim]: oidc.accountClaim,
      },
    });
    const connect = handler("Connect", {
      entry: "connect",
      description: "Names the subprotocol of a new socket",
      memory: 128,
      timeout: Duration.seconds(5),
    });
    const disconnect = handler("Disconnect", {
      entry: "disconnect",
      description: "Forgets a socket that closed",
      memory: 256,
      timeout: Duration.seconds(10),
    });
    const relay = handler("Relay", {
      entry: "relay",
      description: "Answers every frame",
      // It mostly waits for tables, and time is billed by memory; below this, signing requests and the cold start show.
      memory: 512,
      // The rules of append count on it: no put arrives later than this after the read that it stands on.
      timeout: Duration.seconds(10),
      environment: {
        [env.retentionDays]: String(config.retentionDays),
        [env.claimsPerHour]: String(limits.claimsPerHour),
        [env.messagesPerMinute]: String(limits.messagesPerMinute),
      },
    });

    const ringBells = handler("RingBells", {
      entry: "ringBells",
      description: "Rings doorbells that are too many for an answer",
      // Every post is signed.
      memory: 512,
      timeout: ringing,
    });

    const bells = new BellQueue(this, "Bells", { key: data.key, ringing });
    const socket = new RelaySocket(this, "Socket", {
      stage: config.stage,
      requestsPerSecond: limits.requestsPerSecond,
      requestBurst: limits.requestBurst,
      logRetention: config.logRetentionDays,
      removal,
      handlers: { authorizer, connect, disconnect, relay },
    });
    if (config.accessLogRole === "create") socket.stage.node.addDependency(new AccessLogRole(this, "AccessLogRole"));

    this.#grant({ authorizer, disconnect, relay, ringBells }, data, socket, bells);
    new CfnOutput(this, "SocketUrl", { value: socket.url, description: "The url that clients connect to" });
  }

  /** The whole of what the functions may do: one statement for each table, prefix, queue, key and socket operation. */
  #grant(
    fns: Record<"authorizer" | "disconnect" | "relay" | "ringBells", LambdaFunction>,
    data: DataStack,
    socket: RelaySocket,
    bells: BellQueue,
  ): void {
    const { authorizer, disconnect, relay, ringBells } = fns;
    // Reads the device's certificate, and writes down each proof so that none is used twice.
    data.directory.grant(authorizer, ["GetItem", "PutItem"]);
    socket.grantAddress(authorizer);

    data.connections.grant(disconnect, ["UpdateItem"]);

    data.log.grant(relay, ["Query", "PutItem"]);
    data.conversations.grant(relay, ["GetItem", "PutItem", "UpdateItem"]);
    data.inbox.grant(relay, ["Query", "PutItem", "UpdateItem", "DeleteItem"]);
    data.directory.grant(relay, ["GetItem", "Query", "PutItem", "UpdateItem", "DeleteItem"]);
    data.connections.grant(relay, ["BatchGetItem", "UpdateItem"]);
    data.blobs.grantRelay(relay);
    data.receiptKey.grantSign(relay);
    bells.grantSend(relay);
    socket.grantPost(relay);
    socket.grantClose(relay);

    // Looks whether a newer entry rings instead, rings, and forgets sockets that are gone.
    bells.ringWith(ringBells);
    data.log.grant(ringBells, ["Query"]);
    data.connections.grant(ringBells, ["UpdateItem"]);
    socket.grantPost(ringBells);
  }
}
