/** All functions of a deployment, each with its own environment, role and log. */
import type { Clock } from "../clock.ts";
import type { Deployment, FunctionModel } from "../cloudformation/deployment.ts";
import type { AccessControl, Caller } from "../iam/accessControl.ts";
import { LocalCloudError } from "../localCloudError.ts";
import type { Meter } from "../meter.ts";
import type { CredentialStore } from "./credentials.ts";
import { createFunctionHost, type FunctionHost } from "./functionHost.ts";

export interface FunctionHosts {
  readonly byArn: ReadonlyMap<string, FunctionHost>;
  /** What the function wrote lately; `name` is the start of its logical id. */
  logs(name: string): readonly string[];
  close(): Promise<void>;
}

export interface FunctionHostsOptions {
  readonly deployment: Deployment;
  /** By ARN of the function. */
  readonly callers: ReadonlyMap<string, Caller>;
  readonly access: AccessControl;
  readonly credentials: CredentialStore;
  readonly clock: Clock;
  readonly meter: Meter;
  readonly endpoint: string;
  readonly workers: number;
  /** The value that a variable of the template has here. */
  readonly valueOf: (name: string, value: string) => string;
  readonly onLog: (functionId: string, line: string) => void;
}

const LINES_KEPT = 10_000;

/** Each function as the one who calls services in the name of its role. */
export function callersOf({ functions, account }: Deployment): ReadonlyMap<string, Caller> {
  return new Map(
    functions.map(({ arn, logicalId, name, roleArn, statements }) => {
      const role = roleArn.split("/").at(-1) ?? "";
      const sessionArn = `arn:aws:sts::${account}:assumed-role/${role}/${name}`;
      return [arn, { functionId: logicalId, roleArn, account, sessionArn, statements }];
    }),
  );
}

export function createFunctionHosts(options: FunctionHostsOptions): FunctionHosts {
  const { deployment, callers, access, credentials, clock, meter, endpoint, workers, valueOf, onLog } = options;
  const logs = new Map<string, string[]>();
  const byArn = new Map(deployment.functions.map((model) => [model.arn, host(model)]));
  return {
    byArn,
    logs(name) {
      const found = [...logs].filter(([id]) => id.startsWith(name));
      if (found.length !== 1) throw new LocalCloudError(`${found.length} functions have ids that start with ${name}`);
      return found.flatMap(([, lines]) => lines);
    },
    async close() {
      await Promise.all([...byArn.values()].map((one) => one.close()));
    },
  };

  function host(model: FunctionModel): FunctionHost {
    const lines: string[] = [];
    logs.set(model.logicalId, lines);
    const caller = callers.get(model.arn);
    if (!caller) throw new LocalCloudError(`${model.where}: no role`);
    const mayLog = logPermission(caller, model);
    return createFunctionHost({
      model,
      caller,
      region: deployment.region,
      environment: Object.fromEntries(
        Object.entries(model.environment).map(([name, value]) => [name, valueOf(name, value)]),
      ),
      endpoint,
      clock,
      workers,
      credentials,
      onStart: () => void mayLog(),
      onLog(line) {
        if (!mayLog()) return;
        lines.push(line);
        if (lines.length > LINES_KEPT) lines.shift();
        onLog(model.logicalId, line);
      },
      onBilled: (gigabyteSeconds) => meter.add(`lambda:${model.logicalId}`, { invocations: 1, gigabyteSeconds }),
    });
  }

  /** Lambda writes a function's log in the name of its role; without the grant it is lost. */
  function logPermission(caller: Caller, { logGroup }: FunctionModel): () => boolean {
    const resource = `arn:aws:logs:${deployment.region}:${deployment.account}:log-group:${logGroup}:log-stream:local`;
    const check = (action: string) => access.check(caller, { action, resource }) === null;
    let allowed: boolean | null = null;
    return () => (allowed ??= check("logs:CreateLogStream") && check("logs:PutLogEvents"));
  }
}
