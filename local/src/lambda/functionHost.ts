/**
 * Hosts one Lambda function: a few execution environments in worker threads, used in turn, so that state which one
 * invocation leaves in globals is missing in the next.
 */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { MessageChannel, Worker, type MessagePort } from "node:worker_threads";
import type { FunctionModel } from "../cloudformation/deployment.ts";
import type { Clock } from "../clock.ts";
import type { Caller } from "../iam/accessControl.ts";
import { LocalCloudError } from "../localCloudError.ts";
import type { CredentialStore, Sandbox } from "./credentials.ts";

export type InvocationResult =
  | { readonly kind: "answer"; readonly payload: unknown; readonly requestId: string }
  | { readonly kind: "error"; readonly errorType: string; readonly errorMessage: string; readonly requestId: string };

export interface FunctionHost {
  readonly model: FunctionModel;
  /** Answers errors of the function as values; rejects only once closed. */
  invoke(event: unknown): Promise<InvocationResult>;
  close(): Promise<void>;
}

export interface FunctionHostOptions {
  readonly model: FunctionModel;
  readonly caller: Caller;
  readonly region: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly endpoint: string;
  readonly clock: Clock;
  readonly workers: number;
  readonly credentials: CredentialStore;
  /** An execution environment starts, and with it its log stream. */
  readonly onStart: () => void;
  readonly onLog: (line: string) => void;
  readonly onBilled: (gigabyteSeconds: number) => void;
}

/** What loading a bundle may take, beside the time of the invocation that waits for it: longer than any route waits. */
const LOADING_MS = 30_000;

type Message =
  | { readonly kind: "loaded" }
  | { readonly kind: "log"; readonly text: string }
  | { readonly kind: "answer"; readonly payload: string; readonly milliseconds: number }
  | ({ readonly kind: "error"; readonly milliseconds: number } & Failure)
  | ({ readonly kind: "initError" } & Failure);

interface Failure {
  readonly errorType: string;
  readonly errorMessage: string;
  readonly trace: readonly string[];
}

interface Job {
  readonly event: unknown;
  readonly requestId: string;
  readonly resolve: (result: InvocationResult) => void;
}

interface Environment {
  readonly sandbox: Sandbox;
  isBusy(): boolean;
  run(job: Job): void;
  close(): Promise<void>;
}

export function createFunctionHost(options: FunctionHostOptions): FunctionHost {
  const { model } = options;
  const [moduleName, exportName] = splitHandler(model.handler);
  const file = ["mjs", "js", "cjs"]
    .map((end) => join(model.asset, `${moduleName}.${end}`))
    .find((path) => existsSync(path));
  if (file === undefined) throw new LocalCloudError(`${model.where}.Handler: no ${moduleName} in ${model.asset}`);

  const slots = Array.from({ length: options.workers }, (): Environment | null => null);
  const waiting: Job[] = [];
  let next = 0;
  let closed = false;

  function dispatch(): void {
    while (waiting.length > 0 && !closed) {
      const free = slots.map((_, index) => (next + index) % slots.length).find((index) => !slots[index]?.isBusy());
      if (free === undefined) return;
      next = (free + 1) % slots.length;
      const environment = (slots[free] ??= startEnvironment(
        options,
        file as string,
        exportName,
        () => {
          slots[free] = null;
        },
        dispatch,
      ));
      environment.run(waiting.shift() as Job);
    }
  }

  return {
    model,
    invoke: (event) =>
      new Promise((resolve) => {
        if (closed) throw new LocalCloudError("the local cloud was closed");
        waiting.push({ event, requestId: randomUUID(), resolve });
        dispatch();
      }),
    async close() {
      closed = true;
      for (const { requestId, resolve } of waiting.splice(0)) {
        resolve({ kind: "error", errorType: "Closed", errorMessage: "the local cloud was closed", requestId });
      }
      await Promise.all(slots.flatMap((environment) => (environment ? [environment.close()] : [])));
    },
  };
}

function startEnvironment(
  { model, caller, region, environment, endpoint, clock, credentials, onStart, onLog, onBilled }: FunctionHostOptions,
  file: string,
  exportName: string,
  onGone: () => void,
  onFree: () => void,
): Environment {
  const own = credentials.issue();
  const signal = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  const { port1: port, port2 } = new MessageChannel();
  const logStreamName = `local/[$LATEST]${own.accessKeyId.toLowerCase()}`;
  const worker = new Worker(new URL("./worker.mjs", import.meta.url), {
    workerData: {
      port: port2,
      signal,
      offset: clock.offset,
      file,
      exportName,
      fixed: {
        functionName: model.name,
        functionVersion: "$LATEST",
        invokedFunctionArn: model.arn,
        memoryLimitInMB: String(model.memoryMegabytes),
        logGroupName: model.logGroup,
        logStreamName,
      },
    },
    transferList: [port2],
    // Not the loaders of whoever started this process: a function has its bundle and the runtime.
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: model.memoryMegabytes },
    env: {
      ...environment,
      AWS_REGION: region,
      AWS_DEFAULT_REGION: region,
      AWS_ACCESS_KEY_ID: own.accessKeyId,
      AWS_SECRET_ACCESS_KEY: own.secretAccessKey,
      AWS_SESSION_TOKEN: own.sessionToken,
      AWS_ENDPOINT_URL: endpoint,
      AWS_EXECUTION_ENV: "AWS_Lambda_nodejs24.x",
      AWS_LAMBDA_FUNCTION_NAME: model.name,
      AWS_LAMBDA_FUNCTION_VERSION: "$LATEST",
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(model.memoryMegabytes),
      AWS_LAMBDA_INITIALIZATION_TYPE: "on-demand",
      AWS_LAMBDA_LOG_GROUP_NAME: model.logGroup,
      AWS_LAMBDA_LOG_STREAM_NAME: logStreamName,
      LAMBDA_TASK_ROOT: model.asset,
      // Of interest where functions run on this version of Node; in the cloud they do not.
      AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
      TZ: ":UTC",
      LANG: "en_US.UTF-8",
    },
  });
  worker.unref();

  let job: Job | null = null;
  let timer: NodeJS.Timeout | null = null;
  let gone = false;
  let isLoaded = false;
  let startedAt = 0;
  const sandbox: Sandbox = {
    caller,
    credentials: own,
    invocation: null,
    kill: () => stop({ errorType: "Runtime.ExitError", errorMessage: "Runtime exited: killed", trace: [] }),
  };
  credentials.register(sandbox);
  onStart();

  port.on("message", (message: Message) => {
    if (message.kind === "log") return onLog(message.text);
    if (message.kind === "loaded") {
      isLoaded = true;
      return limitTime();
    }
    if (message.kind === "initError") return stop(message);
    bill(message.milliseconds);
    if (message.kind === "answer") settle({ kind: "answer", payload: JSON.parse(message.payload) as unknown });
    else fail(message);
  });
  worker.on("error", (error) => stop({ errorType: error.name, errorMessage: error.message, trace: [] }));
  worker.on("exit", () => stop({ errorType: "Runtime.ExitError", errorMessage: "Runtime exited", trace: [] }));

  return {
    sandbox,
    isBusy: () => job !== null,
    run(given) {
      job = given;
      startedAt = performance.now();
      sandbox.invocation = { requestId: given.requestId, calls: 0 };
      limitTime();
      port.postMessage({
        event: JSON.stringify(given.event),
        context: { awsRequestId: given.requestId },
        limit: model.timeoutSeconds * 1000,
      });
      wake(signal);
    },
    close: () => terminate(worker, port),
  };

  /** From when the function has its event: what comes before is Lambda's. */
  function limitTime(): void {
    if (timer) clearTimeout(timer);
    if (!job || gone) return;
    const seconds = isLoaded ? model.timeoutSeconds : LOADING_MS / 1000;
    timer = setTimeout(() => {
      stop({
        errorType: "Sandbox.Timedout",
        errorMessage: `Task timed out after ${seconds}.00 seconds`,
        trace: [],
      });
    }, seconds * 1000);
  }

  function stop(failure: Failure): void {
    if (gone) return;
    gone = true;
    onGone();
    void terminate(worker, port);
    if (!job) return;
    bill(performance.now() - startedAt);
    fail(failure);
  }

  function fail({ errorType, errorMessage, trace }: Failure): void {
    onLog(`${JSON.stringify({ level: "ERROR", requestId: job?.requestId, errorType, errorMessage, trace })}\n`);
    settle({ kind: "error", errorType, errorMessage });
  }

  function settle(
    result: { kind: "answer"; payload: unknown } | { kind: "error"; errorType: string; errorMessage: string },
  ): void {
    const done = job;
    if (timer) clearTimeout(timer);
    job = null;
    sandbox.invocation = null;
    if (done) done.resolve({ ...result, requestId: done.requestId });
    onFree();
  }

  function bill(milliseconds: number): void {
    onBilled((Math.ceil(milliseconds) / 1000) * (model.memoryMegabytes / 1024));
  }
}

function wake(signal: SharedArrayBuffer): void {
  const view = new Int32Array(signal);
  Atomics.store(view, 0, 1);
  Atomics.notify(view, 0);
}

async function terminate(worker: Worker, port: MessagePort): Promise<void> {
  port.close();
  await worker.terminate();
}

/** `index.handler`, or `dir/index.handler`. */
function splitHandler(handler: string): readonly [string, string] {
  const dot = handler.lastIndexOf(".");
  return [handler.slice(0, dot), handler.slice(dot + 1)];
}
