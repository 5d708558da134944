/** Invokes the functions behind routes as API Gateway does: with its permission, within its time. */
import type { AuthorizerModel, Deployment, RouteModel, WebSocketApiModel } from "../cloudformation/deployment.ts";
import type { Faults } from "../faults.ts";
import { matchesWildcard } from "../iam/wildcard.ts";
import type { FunctionHost, InvocationResult } from "../lambda/functionHost.ts";

export interface RouteInvokerOptions {
  readonly api: WebSocketApiModel;
  readonly deployment: Deployment;
  readonly functions: ReadonlyMap<string, FunctionHost>;
  readonly faults: Faults;
}

export interface RouteInvoker {
  invoke(route: RouteModel, event: unknown): Promise<InvocationResult>;
  authorize(route: RouteModel, authorizer: AuthorizerModel, event: unknown): Promise<InvocationResult>;
  arnOf(route: RouteModel): string;
  /** Counts a task among those that {@link settled} waits for. */
  track<T>(task: Promise<T>): Promise<T>;
  settled(): Promise<void>;
}

const TIMED_OUT = "Endpoint request timed out";

export function createRouteInvoker({ api, deployment, functions, faults }: RouteInvokerOptions): RouteInvoker {
  const arn = `arn:aws:execute-api:${deployment.region}:${deployment.account}:${api.id}`;
  const arnOf = ({ key }: RouteModel) => `${arn}/${api.stage}/${key}`;
  const underWay = new Set<Promise<unknown>>();

  return {
    invoke: (route, event) =>
      track(invoke(route.functionArn, route.key, arnOf(route), event, route.timeoutMilliseconds)),
    authorize: (route, { id, functionArn }, event) =>
      track(invoke(functionArn, "authorizer", `${arn}/authorizers/${id}`, event, route.timeoutMilliseconds)),
    arnOf,
    track,
    async settled() {
      while (underWay.size > 0) await Promise.allSettled(underWay);
    },
  };

  async function invoke(
    functionArn: string,
    operation: string,
    source: string,
    event: unknown,
    timeout: number,
  ): Promise<InvocationResult> {
    const host = functions.get(functionArn);
    const permitted = host?.model.permissions.some(
      ({ service, sourceArn }) =>
        service === "apigateway.amazonaws.com" && (sourceArn === null || matchesWildcard(sourceArn, source)),
    );
    if (!host || !permitted) return failed(`${source} may not invoke ${functionArn}`);
    const id = host.model.logicalId;
    const effects = faults.on({ service: "gateway", operation, function: id, requestId: null, nth: 0, input: event });
    if (effects.delay > 0) await new Promise((resolve) => setTimeout(resolve, effects.delay));
    if (effects.failure || effects.has("drop")) return failed(effects.failure?.type ?? "dropped");
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<InvocationResult>((resolve) => {
      timer = setTimeout(() => resolve(failed(TIMED_OUT)), timeout);
    });
    try {
      // The function goes on when the gateway gives up.
      return await Promise.race([track(host.invoke(event)), tooLate]);
    } finally {
      clearTimeout(timer);
    }
  }

  function track<T>(task: Promise<T>): Promise<T> {
    underWay.add(task);
    const remove = () => void underWay.delete(task);
    task.then(remove, remove);
    return task;
  }
}

export function isTimeout(result: InvocationResult): boolean {
  return result.kind === "error" && result.errorMessage === TIMED_OUT;
}

function failed(errorMessage: string): InvocationResult {
  return { kind: "error", errorType: "Gateway", errorMessage, requestId: "" };
}
