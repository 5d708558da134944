import { Match } from "aws-cdk-lib/assertions";
import type { Template } from "aws-cdk-lib/assertions";
import { minimal, resources, synthesise, valuesOf } from "./synthesise.ts";

const { relay } = synthesise();
const account = "<account>";

type Statement = {
  readonly Sid?: string;
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Resource: unknown;
  readonly Condition?: unknown;
};

/** Intrinsics as text: exports by the resource they name, other references by their logical id without the hash. */
function text(value: unknown): string {
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.map(text).join("");
  const [[name, argument] = []] = Object.entries(value as Record<string, unknown>);
  if (name === "Fn::Join") return text((argument as [string, unknown[]])[1]);
  if (name === "Fn::ImportValue")
    return String(argument).replace(/^.*Output(FnGetAtt|Ref)(\w+?)[0-9A-F]{8}(Arn)?[0-9A-F]{8}$/, "<$2>");
  if (name === "Fn::GetAtt") return `<${String((argument as string[])[0]).replace(/[0-9A-F]{8}$/, "")}>`;
  if (name === "Ref")
    return String(argument) === "AWS::AccountId" ? account : `<${String(argument).replace(/[0-9A-F]{8}$/, "")}>`;
  throw new Error(`not expected in a policy: ${name}`);
}

function permissions(template: Template): Record<string, Record<string, unknown>> {
  const byRole: Record<string, Record<string, unknown>> = {};
  for (const [id, policy] of Object.entries(resources(template, "AWS::IAM::Policy"))) {
    const { Statement: statements } = policy.Properties["PolicyDocument"] as { Statement: Statement[] };
    const name = id.replace(/RoleDefaultPolicy.*$/, "").toLowerCase();
    byRole[name] = Object.fromEntries(
      statements.map((statement) => [
        statement.Sid,
        [[statement.Action].flat(), [statement.Resource].flat().map(text)],
      ]),
    );
  }
  return byRole;
}

const writeLogs = (name: string) => [["logs:CreateLogStream", "logs:PutLogEvents"], [`<${name}Logs>`]];
const table = (name: string, ...actions: string[]) => [
  actions.map((action) => `dynamodb:${action}`),
  [`<${name}Table>`],
];
const tablesKey = [["kms:Decrypt"], ["<DataKey>"]];

test("the whole of what each function may do", () => {
  const stage = `arn:aws:execute-api:eu-central-1:${account}:<SocketApi>/v1`;
  expect(permissions(relay)).toEqual({
    authorizer: {
      WriteLogs: writeLogs("Authorizer"),
      DirectoryTable: table("Directory", "GetItem", "PutItem"),
      TablesKey: tablesKey,
    },
    connect: { WriteLogs: writeLogs("Connect") },
    disconnect: {
      WriteLogs: writeLogs("Disconnect"),
      ConnectionsTable: table("Connections", "UpdateItem"),
      TablesKey: tablesKey,
    },
    relay: {
      WriteLogs: writeLogs("Relay"),
      LogTable: table("Log", "PutItem", "Query"),
      ConversationsTable: table("Conversations", "GetItem", "PutItem", "UpdateItem"),
      InboxTable: table("Inbox", "DeleteItem", "PutItem", "Query", "UpdateItem"),
      DirectoryTable: table("Directory", "DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem"),
      ConnectionsTable: table("Connections", "BatchGetItem", "UpdateItem"),
      TablesKey: tablesKey,
      StagedBlobs: [["s3:GetObject", "s3:PutObject"], ["<BlobsBucket>/staging/*"]],
      KeptBlobs: [["s3:GetObject", "s3:PutObject"], ["<BlobsBucket>/kept/*"]],
      MissingBlobs: [["s3:ListBucket"], ["<BlobsBucket>"]],
      Backups: [["s3:DeleteObject", "s3:GetObject", "s3:PutObject"], ["<BlobsBucket>/backup/*"]],
      BlobsKey: [["kms:Decrypt", "kms:GenerateDataKey"], ["<DataKey>"]],
      SignReceipts: [["kms:Sign"], ["<ReceiptKey>"]],
      ReceiptKey: [["kms:GetPublicKey"], ["<ReceiptKey>"]],
      SendBells: [["sqs:SendMessage"], ["<BellsQueue>"]],
      BellsKey: [["kms:Decrypt", "kms:GenerateDataKey"], ["<DataKey>"]],
      PostToConnections: [["execute-api:ManageConnections"], [`${stage}/POST/@connections/*`]],
      CloseConnections: [["execute-api:ManageConnections"], [`${stage}/DELETE/@connections/*`]],
    },
    ringbells: {
      WriteLogs: writeLogs("RingBells"),
      TakeBells: [["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"], ["<BellsQueue>"]],
      BellsKey: [["kms:Decrypt"], ["<DataKey>"]],
      LogTable: table("Log", "Query"),
      ConnectionsTable: table("Connections", "UpdateItem"),
      TablesKey: tablesKey,
      PostToConnections: [["execute-api:ManageConnections"], [`${stage}/POST/@connections/*`]],
    },
  });
});

test("statements are named and allow; no action is a wildcard, no resource is everything", () => {
  const statements = Object.values(resources(relay, "AWS::IAM::Policy")).flatMap(
    (policy) => (policy.Properties["PolicyDocument"] as { Statement: Statement[] }).Statement,
  );
  expect(statements.length).toBeGreaterThan(10);
  for (const { Sid, Effect, Action, Resource } of statements) {
    expect(Sid).toMatch(/^[A-Za-z]+$/);
    expect(Effect).toBe("Allow");
    for (const action of [Action].flat()) expect(action).not.toContain("*");
    for (const resource of [Resource].flat()) expect(text(resource)).not.toMatch(/^\*|^arn:aws:[^:]*:\*/);
  }
});

test("functions use the data key through the services that hold the data, never by themselves; and sign in one way", () => {
  const conditions = Object.values(resources(relay, "AWS::IAM::Policy"))
    .flatMap((policy) => (policy.Properties["PolicyDocument"] as { Statement: Statement[] }).Statement)
    .filter((statement) => [statement.Action].flat().some((action) => action.startsWith("kms:")))
    .map(({ Sid, Condition }) => [Sid, ...Object.entries(Object(Condition) as object).flat()])
    .map(([sid, operator, keys]) => [
      sid,
      operator,
      ...Object.entries(Object(keys) as object).map(([key, value]) => `${key} ${text(value)}`),
    ]);
  const via = (service: string) => ["StringEquals", `kms:ViaService ${service}.eu-central-1.<AWS::URLSuffix>`];
  expect(conditions).toEqual([
    ["TablesKey", ...via("dynamodb")],
    ["TablesKey", ...via("dynamodb")],
    ["TablesKey", ...via("dynamodb")],
    ["BlobsKey", ...via("s3")],
    ["SignReceipts", "StringEquals", "kms:SigningAlgorithm ED25519_SHA_512"],
    ["ReceiptKey", undefined],
    ["BellsKey", ...via("sqs")],
    ["BellsKey", ...via("sqs")],
    ["TablesKey", ...via("dynamodb")],
  ]);
});

test("a function's role has no managed policy", () => {
  for (const [id, role] of Object.entries(resources(relay, "AWS::IAM::Role"))) {
    if (!id.startsWith("AccessLogRole")) expect(role.Properties["ManagedPolicyArns"]).toBeUndefined();
  }
});

test("functions run on arm64 and Node 24, show source positions, and write JSON to a log group that expires", () => {
  relay.resourceCountIs("AWS::Lambda::Function", 5);
  relay.allResourcesProperties("AWS::Lambda::Function", {
    Architectures: ["arm64"],
    Runtime: "nodejs24.x",
    Environment: { Variables: Match.objectLike({ NODE_OPTIONS: "--enable-source-maps" }) },
    LoggingConfig: { LogFormat: "JSON", LogGroup: Match.anyValue() },
  });
  const { relay: short } = synthesise({ ...minimal, logRetentionDays: 7 });
  short.resourceCountIs("AWS::Logs::LogGroup", 6);
  short.allResourcesProperties("AWS::Logs::LogGroup", { RetentionInDays: 7 });
});

test("no function that writes to the log outlives what the rules of append allow for a late put", () => {
  const timeouts = Object.entries(resources(relay, "AWS::Lambda::Function"))
    // Its grants, above, hold no put.
    .filter(([id]) => !id.startsWith("RingBells"))
    .map(([, { Properties }]) => Properties["Timeout"]);
  expect(timeouts).toHaveLength(4);
  for (const timeout of timeouts) expect(timeout).toBeLessThanOrEqual(10);
});

test("variables are those that a function was granted, or was configured with", () => {
  const configured = {
    ...minimal,
    retentionDays: 30,
    oidc: { ...minimal.oidc, accountClaim: "email" },
    limits: { claimsPerHour: 11, messagesPerMinute: 22 },
  };
  const variables = Object.fromEntries(
    Object.entries(resources(synthesise(configured).relay, "AWS::Lambda::Function")).map(([id, { Properties }]) => {
      const { Variables: all } = Properties["Environment"] as { Variables: Record<string, unknown> };
      const { NODE_OPTIONS: _, ...own } = all;
      const named = Object.entries(own).map(([name, value]) => [name, text(value)]);
      return [id.replace(/Function[0-9A-F]{8}$/, "").toLowerCase(), Object.fromEntries(named)];
    }),
  );
  expect(variables).toEqual({
    authorizer: {
      TACIT_DIRECTORY_TABLE: "<DirectoryTable>",
      TACIT_SOCKET_URL: "wss://<SocketApi>.execute-api.eu-central-1.<AWS::URLSuffix>/v1",
      TACIT_OIDC_ISSUER: "https://login.acme.com",
      TACIT_OIDC_AUDIENCE: "tacit",
      TACIT_OIDC_ACCOUNT_CLAIM: "email",
    },
    connect: {},
    disconnect: { TACIT_CONNECTIONS_TABLE: "<ConnectionsTable>" },
    relay: {
      TACIT_LOG_TABLE: "<LogTable>",
      TACIT_CONVERSATIONS_TABLE: "<ConversationsTable>",
      TACIT_INBOX_TABLE: "<InboxTable>",
      TACIT_DIRECTORY_TABLE: "<DirectoryTable>",
      TACIT_CONNECTIONS_TABLE: "<ConnectionsTable>",
      TACIT_BLOB_BUCKET: "<BlobsBucket>",
      TACIT_BELL_QUEUE_URL: "<BellsQueue>",
      TACIT_RECEIPT_KEY_ID: "<ReceiptKey>",
      TACIT_CALLBACK_ENDPOINT: "https://<SocketApi>.execute-api.eu-central-1.<AWS::URLSuffix>/v1",
      TACIT_RETENTION_DAYS: "30",
      TACIT_CLAIMS_PER_HOUR: "11",
      TACIT_MESSAGES_PER_MINUTE: "22",
    },
    ringbells: {
      TACIT_LOG_TABLE: "<LogTable>",
      TACIT_CONNECTIONS_TABLE: "<ConnectionsTable>",
      TACIT_CALLBACK_ENDPOINT: "https://<SocketApi>.execute-api.eu-central-1.<AWS::URLSuffix>/v1",
    },
  });
});

describe("the queue of doorbells", () => {
  const queues = resources(relay, "AWS::SQS::Queue");
  const properties = (id: string) => Object.entries(queues).find(([name]) => name.startsWith(id))![1].Properties;

  test("lies under the data key, refuses whoever comes without TLS, and lets nobody in by its policy", () => {
    for (const { Properties } of Object.values(queues)) expect(text(Properties["KmsMasterKeyId"])).toBe("<DataKey>");
    const policies = Object.values(resources(relay, "AWS::SQS::QueuePolicy"));
    expect(policies).toHaveLength(2);
    for (const statement of policies.flatMap((policy) => valuesOf(policy, "Statement")).flat()) {
      expect(statement).toMatchObject({
        Effect: "Deny",
        Principal: { AWS: "*" },
        Action: "sqs:*",
        Condition: { Bool: { "aws:SecureTransport": "false" } },
      });
    }
  });

  test("hides a slice six times as long as ringing may take, and keeps it for all its tries and little longer", () => {
    const [[, ringBells] = []] = Object.entries(resources(relay, "AWS::Lambda::Function")).filter(([id]) =>
      id.startsWith("RingBells"),
    );
    const { VisibilityTimeout, MessageRetentionPeriod, RedrivePolicy } = properties("BellsQueue");
    expect(VisibilityTimeout).toBe(6 * Number(ringBells?.Properties["Timeout"]));
    const { maxReceiveCount } = RedrivePolicy as { maxReceiveCount: number };
    expect(MessageRetentionPeriod).toBeGreaterThan(Number(VisibilityTimeout) * maxReceiveCount);
    expect(MessageRetentionPeriod).toBeLessThanOrEqual(15 * 60);
    // SQS counts the age of a dead letter from when it was sent.
    expect(properties("BellsUnrung")["MessageRetentionPeriod"]).toBe(24 * 60 * 60);
  });

  test("is rung from in small batches, few at a time, and what fails comes again alone", () => {
    const [mapping] = Object.values(resources(relay, "AWS::Lambda::EventSourceMapping"));
    expect(text(mapping?.Properties["EventSourceArn"])).toBe("<BellsQueue>");
    expect(text(mapping?.Properties["FunctionName"])).toBe("<RingBellsFunction>");
    expect(mapping?.Properties).toMatchObject({
      BatchSize: 5,
      ScalingConfig: { MaximumConcurrency: 10 },
      FunctionResponseTypes: ["ReportBatchItemFailures"],
    });
  });

  test("goes with the stack, whatever is kept", () => {
    expect(Object.values(queues).map(({ DeletionPolicy }) => DeletionPolicy)).toEqual(["Delete", "Delete"]);
  });
});

describe("the socket", () => {
  test("connects nobody whom the authorizer has not seen with a subprotocol list", () => {
    relay.hasResourceProperties("AWS::ApiGatewayV2::Authorizer", {
      AuthorizerType: "REQUEST",
      IdentitySource: ["route.request.header.Sec-WebSocket-Protocol"],
    });
    relay.hasResourceProperties("AWS::ApiGatewayV2::Route", { RouteKey: "$connect", AuthorizationType: "CUSTOM" });
  });

  test("sends the relay's answer back to the caller", () => {
    const [route] = Object.entries(
      relay.findResources("AWS::ApiGatewayV2::Route", { Properties: { RouteKey: "$default" } }),
    );
    expect(route?.[1]["Properties"]).toMatchObject({ RouteResponseSelectionExpression: "$default" });
    relay.hasResourceProperties("AWS::ApiGatewayV2::RouteResponse", {
      RouteId: { Ref: route?.[0] },
      RouteResponseKey: "$default",
    });
  });

  test("is throttled as configured", () => {
    const { relay: slow } = synthesise({ ...minimal, limits: { requestsPerSecond: 50, requestBurst: 75 } });
    slow.hasResourceProperties("AWS::ApiGatewayV2::Stage", {
      DefaultRouteSettings: Match.objectLike({ ThrottlingRateLimit: 50, ThrottlingBurstLimit: 75 }),
    });
  });

  test("logs neither addresses nor anything a client sent", () => {
    const [stage] = Object.values(resources(relay, "AWS::ApiGatewayV2::Stage"));
    expect(stage?.Properties["DefaultRouteSettings"]).toMatchObject({ LoggingLevel: "OFF", DataTraceEnabled: false });
    const [format] = valuesOf(stage, "Format");
    const logged = Object.values(JSON.parse(String(format)) as Record<string, string>).sort();
    expect(logged).toEqual([
      "$context.authorizer.latency",
      "$context.authorizer.status",
      "$context.connectedAt",
      "$context.error.responseType",
      "$context.eventType",
      "$context.integrationLatency",
      "$context.integrationStatus",
      "$context.requestId",
      "$context.requestTimeEpoch",
      "$context.routeKey",
      "$context.status",
    ]);
  });

  test("invokes each function from its own route alone", () => {
    const sources = Object.values(resources(relay, "AWS::Lambda::Permission")).map(({ Properties }) => [
      text(Properties["FunctionName"]),
      text(Properties["SourceArn"]),
    ]);
    const api = `arn:aws:execute-api:eu-central-1:${account}:<SocketApi>`;
    expect(sources).toHaveLength(4);
    expect(Object.fromEntries(sources)).toEqual({
      "<AuthorizerFunction>": `${api}/authorizers/<SocketApiAuthorizer>`,
      "<ConnectFunction>": `${api}/*$connect`,
      "<DisconnectFunction>": `${api}/*$disconnect`,
      "<RelayFunction>": `${api}/*$default`,
    });
  });

  test("is logged by the account's role, which is left behind, or left alone", () => {
    const [stage] = Object.values(resources(relay, "AWS::ApiGatewayV2::Stage"));
    const [setting] = Object.entries(resources(relay, "AWS::ApiGateway::Account"));
    expect(stage?.DependsOn).toContain(setting?.[0]);
    expect(setting?.[1].DeletionPolicy).toBe("Retain");
    const { relay: without } = synthesise({ ...minimal, accessLogRole: "existing" });
    without.resourceCountIs("AWS::ApiGateway::Account", 0);
    without.resourceCountIs("AWS::IAM::Role", 5);
  });
});
