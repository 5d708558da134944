/** The WebSocket API of a template with its routes, integrations and authorizers. */
import { LocalCloudError } from "../localCloudError.ts";
import type { AuthorizerModel, RouteModel, WebSocketApiModel } from "./deployment.ts";
import type { Resource } from "./resource.ts";

/** API Gateway ends an integration after 29 seconds, whatever the function allows itself. */
const LONGEST_INTEGRATION_MS = 29_000;

export function planWebSocketApi(
  ofType: (...types: readonly string[]) => readonly Resource[],
): WebSocketApiModel | null {
  const apis = ofType("AWS::ApiGatewayV2::Api");
  const [api] = apis;
  if (!api) return null;
  if (apis[1]) throw new LocalCloudError(`${apis[1].where}: one API is hosted, and ${api.where} is it`);
  const { properties } = api;
  properties.only("ProtocolType", "WEBSOCKET");
  properties.only("DisableExecuteApiEndpoint", false);
  properties.ignore("Name", "Description", "Tags", "IpAddressType", "ApiKeySelectionExpression");

  const stages = ofType("AWS::ApiGatewayV2::Stage");
  const [stage] = stages;
  if (!stage || stages[1]) throw new LocalCloudError(`${api.where}: exactly one stage is hosted`);
  stage.properties.ignore(
    "ApiId",
    "StageName",
    "AutoDeploy",
    "AccessLogSettings",
    "Description",
    "DeploymentId",
    "Tags",
  );
  const settings = stage.properties.object("DefaultRouteSettings");
  settings?.ignore("DataTraceEnabled", "DetailedMetricsEnabled", "LoggingLevel");
  const burst = settings?.number("ThrottlingBurstLimit", -1) ?? -1;
  const rate = settings?.number("ThrottlingRateLimit", -1) ?? -1;
  if (burst < 0 !== rate < 0)
    throw new LocalCloudError(`${stage.where}.DefaultRouteSettings: burst and rate come together`);

  const integrations = ofType("AWS::ApiGatewayV2::Integration").map(planIntegration);
  const authorizers = ofType("AWS::ApiGatewayV2::Authorizer").map(planAuthorizer);
  const responses = ofType("AWS::ApiGatewayV2::RouteResponse").map((resource) => {
    resource.properties.ignore("ApiId");
    resource.properties.only("RouteResponseKey", "$default");
    return resource.properties.text("RouteId");
  });
  const routes = ofType("AWS::ApiGatewayV2::Route").map(({ properties: route, where, ref }): RouteModel => {
    route.ignore("ApiId", "OperationName");
    route.only("ApiKeyRequired", false);
    route.only("RouteResponseSelectionExpression", "$default");
    const key = route.text("RouteKey");
    const target = route.text("Target");
    const integration = integrations.find(({ id }) => target === `integrations/${id}`);
    if (!integration) throw new LocalCloudError(`${where}.Target: no integration ${target}`);
    const type = route.optionalText("AuthorizationType") ?? "NONE";
    if (type !== "NONE" && type !== "CUSTOM")
      throw new LocalCloudError(`${where}.AuthorizationType: ${type} is not hosted`);
    const authorizerId = route.optionalText("AuthorizerId");
    const authorizer = authorizers.find(({ id }) => id === authorizerId) ?? null;
    if (type === "CUSTOM" && (!authorizer || key !== "$connect")) {
      throw new LocalCloudError(
        `${where}.AuthorizerId: $connect alone has an authorizer, and it must be in the template`,
      );
    }
    const responds = route.has("RouteResponseSelectionExpression") && responses.includes(ref);
    return {
      key,
      functionArn: integration.functionArn,
      timeoutMilliseconds: integration.timeout,
      authorizer,
      responds,
    };
  });

  return {
    where: api.where,
    logicalId: api.logicalId,
    name: api.ref,
    arn: api.arn,
    id: api.ref,
    stage: stage.ref,
    stageVariables: (stage.properties.raw("StageVariables") ?? {}) as Readonly<Record<string, string>>,
    selectionExpression: properties.optionalText("RouteSelectionExpression") ?? "$request.body.action",
    throttle: burst < 0 ? null : { burst, rate },
    routes: new Map(routes.map((route) => [route.key, route])),
  };
}

function planIntegration({ properties, ref, where }: Resource) {
  properties.ignore("ApiId", "Description", "IntegrationMethod", "ContentHandlingStrategy", "PassthroughBehavior");
  properties.only("IntegrationType", "AWS_PROXY");
  const timeout = Math.min(properties.number("TimeoutInMillis", LONGEST_INTEGRATION_MS), LONGEST_INTEGRATION_MS);
  return { id: ref, functionArn: functionOf(properties.text("IntegrationUri"), where), timeout };
}

function planAuthorizer({ properties, ref, where }: Resource): AuthorizerModel {
  properties.ignore("ApiId", "Name");
  properties.only("AuthorizerType", "REQUEST");
  properties.only("AuthorizerResultTtlInSeconds", 0);
  const identitySources = properties.texts("IdentitySource");
  const strange = identitySources.find((source) => !/^route\.request\.(header|querystring)\.[\w-]+$/.test(source));
  if (strange !== undefined) throw new LocalCloudError(`${where}.IdentitySource: ${strange} is not understood`);
  return { id: ref, functionArn: functionOf(properties.text("AuthorizerUri"), where), identitySources };
}

/** `arn:aws:apigateway:<region>:lambda:path/2015-03-31/functions/<function arn>/invocations` */
function functionOf(uri: string, where: string): string {
  const arn = /\/functions\/(arn:[^/]+)\/invocations$/.exec(uri)?.[1];
  if (arn === undefined) throw new LocalCloudError(`${where}: ${uri} is not a Lambda invocation`);
  return arn;
}
