/**
 * Hosts a synthesised assembly on this machine: tables, bucket, queues, functions, routes and permissions as the templates say,
 * behind one address. Anything in a template that is not understood stops the start with the resource's name.
 */
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { readAssembly } from "./assembly.ts";
import { createClock } from "./clock.ts";
import type { Deployment, TableModel } from "./cloudformation/deployment.ts";
import { plan } from "./cloudformation/plan.ts";
import { openDynamoDb, type DynamoDb } from "./dynamodb/dynamoDb.ts";
import { createDynamoDbService } from "./dynamodb/dynamoDbService.ts";
import { createFaults, type Fault, type Faults } from "./faults.ts";
import { createFrontDoor } from "./frontDoor.ts";
import { createConnectionsService } from "./gateway/connectionsService.ts";
import { createWebSocketGateway, type Frame } from "./gateway/webSocketGateway.ts";
import { createAccessControl, type AccessControl, type Grant } from "./iam/accessControl.ts";
import { createKms } from "./kms/kms.ts";
import { createCredentialStore } from "./lambda/credentials.ts";
import { callersOf, createFunctionHosts } from "./lambda/functionHosts.ts";
import { LocalCloudError } from "./localCloudError.ts";
import { createMeter, type Meter } from "./meter.ts";
import { createIssuer, type TokenRequest } from "./oidc.ts";
import { createRandom } from "./random.ts";
import { corsHeaders, preflight } from "./s3/cors.ts";
import { openObjectStore } from "./s3/objectStore.ts";
import { createS3Service, splitPath, type Bucket } from "./s3/s3Service.ts";
import type { Service } from "./service.ts";
import { createEventSource } from "./sqs/eventSource.ts";
import { createMessageQueue, type MessageQueue } from "./sqs/messageQueue.ts";
import { createSqsService } from "./sqs/sqsService.ts";

export interface LocalCloudOptions {
  /** Directory of the assembly. Default: `cdk.out`. */
  readonly assembly?: string;
  /** Where data is kept. Default: in memory. */
  readonly dataDir?: string;
  /** Default: any free one. */
  readonly port?: number;
  /** Replaces values of environment variables that the template sets, in every function that has them. */
  readonly environment?: (cloud: {
    readonly address: string;
    readonly issuer: string;
  }) => Readonly<Record<string, string>>;
  /** The cloud's time at start, in milliseconds since 1970; it runs on from there. Default: now. */
  readonly startAt?: number;
  /** Of what is left to chance: the order of TTL deletions. Default: 1. */
  readonly seed?: number;
  /** Execution environments per function. Default: 2, so that no global is always shared. */
  readonly workers?: number;
  readonly faults?: readonly Fault[];
  /** Grants, as `iam.granted()` lists them, to do without. */
  readonly withoutGrants?: readonly Grant[];
  /** Told of every line that a function writes. */
  readonly onLog?: (functionId: string, line: string) => void;
}

export interface LocalCloud {
  /** `http://127.0.0.1:<port>`: every service is behind it. */
  readonly address: string;
  /** Where clients connect: `ws://127.0.0.1:<port>/<stage>`. */
  readonly url: string;
  readonly issuer: string;
  /** Values of environment variables that were replaced. */
  readonly environment: Readonly<Record<string, string>>;
  /** Outputs by stack. */
  readonly outputs: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly iam: Pick<AccessControl, "granted" | "used" | "denied">;
  readonly faults: Faults;
  readonly meter: Pick<Meter, "snapshot">;
  issueToken(request: TokenRequest): Promise<string>;
  now(): number;
  /** Moves the cloud's time on, then does what time does: TTL, lifecycle, idle and lifetime limits, delays of messages. */
  advance(milliseconds: number): Promise<void>;
  /** Every table with its items. */
  tables(): Promise<readonly StoredTable[]>;
  /** Every version of every object. */
  bucketObjects(): readonly StoredObject[];
  /** Every queue with the messages that are in it, also those that somebody has. */
  queues(): readonly StoredQueue[];
  /** The public half of a signing key in KMS, by its id or ARN, as its owner would ask for it: SubjectPublicKeyInfo, DER. */
  publicKey(keyId: string): Buffer;
  /** Lines that a function wrote; `name` is the start of its logical id. */
  logs(name: string): readonly string[];
  /** Watches sockets; returns how to stop. */
  onFrame(listener: (frame: Frame) => void): () => void;
  /** Watches items; returns how to stop. */
  onWrite(listener: (write: ItemWrite) => void): () => void;
  /**
   * Settles when no invocation by a route or a queue is under way, and no message is to be delivered for the first time in the next
   * five seconds. What is delayed for longer, or failed and waits for its visibility timeout, is for `advance`.
   */
  settled(): Promise<void>;
  close(): Promise<void>;
}

/** An item as DynamoDB writes it: `{ name: { S: "..." } }`. */
export type StoredItem = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

export interface StoredTable {
  readonly logicalId: string;
  readonly name: string;
  readonly items: readonly StoredItem[];
}

export interface StoredObject {
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string;
  /** Null for a delete marker. */
  readonly body: Buffer | null;
}

export interface StoredQueue {
  readonly logicalId: string;
  readonly name: string;
  readonly messages: readonly {
    readonly id: string;
    readonly body: string;
    /** Milliseconds since 1970. */
    readonly sentAt: number;
    /** How often somebody got it. */
    readonly receiveCount: number;
  }[];
}

export interface ItemWrite {
  /** Logical id of the table. */
  readonly table: string;
  readonly cause: "request" | "timeToLive";
  readonly before: StoredItem | undefined;
  readonly after: StoredItem | undefined;
}

const HOST = "127.0.0.1";
/** How often time does its work while nobody advances it. */
const HOUSEKEEPING_MS = 30_000;

export async function startLocalCloud(options: LocalCloudOptions = {}): Promise<LocalCloud> {
  const closers: (() => unknown)[] = [];
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    return await start(options, closers, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function start(
  options: LocalCloudOptions,
  closers: (() => unknown)[],
  close: () => Promise<void>,
): Promise<LocalCloud> {
  const { deployment, outputs } = plan(readAssembly(options.assembly ?? "cdk.out"));
  const { api } = deployment;
  if (!api) throw new LocalCloudError("the assembly holds no WebSocket API");
  const data = (...path: readonly string[]) => (options.dataDir === undefined ? null : join(options.dataDir, ...path));
  const clock = createClock(options.startAt);
  const random = createRandom(options.seed ?? 1);
  const faults = createFaults(options.faults ?? []);
  const meter = createMeter(clock.now);
  const credentials = createCredentialStore();
  const callers = callersOf(deployment);
  const access = createAccessControl([...callers.values()], options.withoutGrants ?? []);
  const frameListeners = new Set<(frame: Frame) => void>();
  const writeListeners = new Set<(write: ItemWrite) => void>();

  const tableIds = new Map(deployment.tables.map(({ name, logicalId }) => [name, logicalId]));
  const database = await openDynamoDb({
    tables: deployment.tables,
    directory: data("dynamodb"),
    now: clock.now,
    onWrite({ table, before, after }, cause) {
      for (const listener of writeListeners) listener({ table: tableIds.get(table) ?? table, cause, before, after });
    },
  });
  closers.push(() => database.close());
  const buckets = new Map<string, Bucket>(
    deployment.buckets.map((model) => [
      model.name,
      { model, objects: openObjectStore(model, data("s3", model.name), clock.now) },
    ]),
  );

  const services = new Map<string, Service>();
  const corsOf = (path: string) => buckets.get(splitPath(path).bucket)?.model.cors ?? [];
  const frontDoor = createFrontDoor({
    clock,
    faults,
    credentials,
    services,
    unsigned: async (request) =>
      request.method === "OPTIONS" ? preflight(corsOf(request.path), request) : issuer.respond(request),
    extraHeaders: (request) => (request.method === "OPTIONS" ? {} : corsHeaders(corsOf(request.path), request)),
    onError: reportFault,
  });
  await new Promise<void>((resolve, reject) => {
    frontDoor.once("error", reject).listen(options.port ?? 0, HOST, resolve);
  });
  closers.push(() => {
    frontDoor.closeAllConnections();
    return new Promise((resolve) => frontDoor.close(resolve));
  });
  const { port } = frontDoor.address() as AddressInfo;
  const domainName = `${HOST}:${port}`;
  const address = `http://${domainName}`;
  const issuer = await createIssuer(address, clock.now);
  const environment = options.environment?.({ address, issuer: issuer.url }) ?? {};
  const stranger = Object.keys(environment).find((name) => !deployment.functions.some((f) => name in f.environment));
  if (stranger !== undefined) throw new LocalCloudError(`environment: no function has a variable ${stranger}`);

  const localAddress = (text: string) => withLocalAddress(text, api.id, domainName);
  const hosts = createFunctionHosts({
    deployment,
    callers,
    access,
    credentials,
    clock,
    meter,
    endpoint: address,
    workers: options.workers ?? 2,
    valueOf: (name, value) => environment[name] ?? localAddress(value),
    onLog: options.onLog ?? (() => {}),
  });
  closers.push(() => hosts.close());

  const gateway = createWebSocketGateway({
    api,
    deployment,
    functions: hosts.byArn,
    clock,
    faults,
    meter,
    domainName,
    onFrame(frame) {
      for (const listener of frameListeners) listener(frame);
    },
  });
  closers.push(() => gateway.close());
  const kms = createKms({ deployment, access, meter, directory: data("kms") });
  services.set("kms", kms);
  services.set("dynamodb", createDynamoDbService({ deployment, database, access, kms, meter }));
  services.set("s3", createS3Service({ buckets, access, kms, meter }));
  const queues = createQueues(deployment, clock.now);
  const byUrl = new Map([...queues.values()].map((queue) => [queue.model.url, queue]));
  services.set("sqs", createSqsService({ queues: byUrl, access, kms, meter }));
  services.set("execute-api", createConnectionsService({ api, deployment, gateway, access }));
  const eventSources = deployment.eventSources.map((model) => {
    const [queue, host, caller] = [
      queues.get(model.queueArn),
      hosts.byArn.get(model.functionArn),
      callers.get(model.functionArn),
    ];
    if (!queue || !host || !caller) throw new LocalCloudError(`${model.where}: no queue or function`);
    const { region } = deployment;
    return createEventSource({ model, queue, host, caller, region, access, kms, meter, faults, now: clock.now });
  });
  closers.push(() => eventSources.forEach((source) => source.close()));
  frontDoor.on("upgrade", (request, socket, head) => gateway.upgrade(request, socket, head));

  async function keepHouse(): Promise<void> {
    gateway.enforceLifetimes();
    for (const { objects } of buckets.values()) objects.applyLifecycle(clock.now());
    for (const source of eventSources) source.wake();
    await expireItems(database, faults, clock.now(), random.shuffle);
  }
  const timer = setInterval(() => void keepHouse().catch(reportFault), HOUSEKEEPING_MS).unref();
  closers.push(() => clearInterval(timer));

  return {
    address,
    url: `ws://${domainName}/${api.stage}`,
    issuer: issuer.url,
    environment,
    outputs: JSON.parse(localAddress(JSON.stringify(outputs))) as typeof outputs,
    iam: access,
    faults,
    meter,
    issueToken: (request) => issuer.issueToken(request),
    now: clock.now,
    async advance(milliseconds) {
      clock.advance(milliseconds);
      await keepHouse();
    },
    tables: () => Promise.all(deployment.tables.map((table) => storedTable(database, table))),
    bucketObjects: () =>
      [...buckets].flatMap(([bucket, { objects }]) =>
        [...objects.all()].flatMap(([key, versions]) =>
          versions.map(({ versionId, body }) => ({ bucket, key, versionId, body })),
        ),
      ),
    queues: () =>
      [...queues.values()].map((queue) => ({
        logicalId: queue.model.logicalId,
        name: queue.model.name,
        messages: queue.all().map(({ id, body, sentAt, receiveCount }) => ({ id, body, sentAt, receiveCount })),
      })),
    publicKey: (keyId) => kms.publicKey(keyId),
    logs: (name) => hosts.logs(name),
    onFrame: (listener) => subscribe(frameListeners, listener),
    onWrite: (listener) => subscribe(writeListeners, listener),
    async settled() {
      do await gateway.settled();
      while ((await Promise.all(eventSources.map((source) => source.settled()))).includes(true));
    },
    close,
  };
}

/** By ARN. A queue comes after the one for its dead letters. */
function createQueues({ queues: models }: Deployment, now: () => number): ReadonlyMap<string, MessageQueue> {
  const queues = new Map<string, MessageQueue>();
  const create = (arn: string): MessageQueue | null => {
    const model = models.find((candidate) => candidate.arn === arn);
    const known = queues.get(arn);
    if (known || !model) return known ?? null;
    const queue = createMessageQueue(model, model.redrive && create(model.redrive.deadLetterArn), now);
    queues.set(arn, queue);
    return queue;
  };
  for (const { arn } of models) create(arn);
  return queues;
}

/** Endpoints of the deployed API become those of the front door. */
function withLocalAddress(text: string, apiId: string, domainName: string): string {
  return text.replace(
    new RegExp(`(https|wss)://${apiId}\\.execute-api\\.[a-z0-9-]+\\.amazonaws\\.com`, "g"),
    (_, scheme: string) => (scheme === "wss" ? `ws://${domainName}` : `http://${domainName}`),
  );
}

function expireItems(
  database: DynamoDb,
  faults: Faults,
  now: number,
  shuffle: <T>(items: readonly T[]) => readonly T[],
): Promise<void> {
  return database.expire({
    now,
    shuffle,
    keep: (table, item) =>
      faults
        .on({
          service: "dynamodb",
          operation: "TimeToLive",
          function: null,
          requestId: null,
          nth: 0,
          input: { table, item },
        })
        .has("drop"),
  });
}

async function storedTable(database: DynamoDb, { logicalId, name }: TableModel): Promise<StoredTable> {
  return { logicalId, name, items: await database.items(name) };
}

/** A fault of the local cloud itself, not of what it hosts. */
function reportFault(error: unknown): void {
  // As text: Node takes no error of another realm, such as a test's.
  process.emitWarning(error instanceof Error ? (error.stack ?? error.message) : String(error));
}

function subscribe<T>(listeners: Set<T>, listener: T): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}
